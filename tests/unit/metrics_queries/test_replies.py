"""The store's answers in Prometheus' envelope, and the label that nobody is to see."""

import json
from typing import Any

import pytest
from metrics_ingest.domain import replies
from metrics_ingest.domain.replies import ReplyUnreadable

TENANT = "signalbox_tenant"


def reply(data: Any, **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": data, **more}, separators=(",", ":")).encode()


def shown(body: bytes) -> Any:
    return json.loads(b"".join(map(replies.unlabelled, replies.pieces(body))))


def test_the_tenant_leaves_every_series_of_a_result_and_all_else_stays() -> None:
    """Wherever it stands among the labels, and whatever else looks like it."""
    points = [[1800000000.123, "+Inf"], [1800000001, "0.1"]]
    ours = [
        {"__name__": "up", "job": TENANT},
        {},
        {"a": f'"{TENANT}":"one",', "b": '\\"', "c": "{}},"},
        {f"my_{TENANT}": "x", f"{TENANT}_too": "y"},
    ]
    stored = [
        {"__name__": "up", TENANT: "one", "job": TENANT},
        {TENANT: "one"},
        {**ours[2], TENANT: 'set by "label_set"}'},
        {TENANT: "one", **ours[3]},
    ]
    rows = [{"metric": labels, "values": points} for labels in stored]
    expected = [{"metric": labels, "values": points} for labels in ours]
    data = {"resultType": "matrix", "result": rows}
    assert shown(reply(data)) == {"status": "success", "data": {**data, "result": expected}}
    assert shown(reply(data, stats={"seriesFetched": "4"}))["data"]["result"] == expected


def test_a_large_answer_is_cut_into_pieces_and_comes_out_whole() -> None:
    points = [[1800000000 + at, str(at)] for at in range(1000)]
    rows = [{"metric": {"n": str(n), TENANT: "one"}, "values": points} for n in range(50)]
    body = reply({"resultType": "matrix", "result": rows})
    assert max(map(len, replies.pieces(body))) < 200_000
    found = shown(body)["data"]["result"]
    assert found == [{"metric": {"n": str(n)}, "values": points} for n in range(50)]


def test_the_stores_vector_of_a_number_becomes_a_scalar() -> None:
    rows: list[dict[str, Any]] = [{"metric": {}, "value": [1800000000, "1"]}]
    body = reply({"resultType": "vector", "result": rows})
    data = {"resultType": "scalar", "result": [1800000000, "1"]}
    assert json.loads(replies.scalar(body, 0)) == {"status": "success", "data": data}
    nothing = json.loads(replies.scalar(reply({"resultType": "vector", "result": []}), 1_800_000_000_500))
    assert nothing["data"]["result"] == [1800000000.5, "NaN"]


def test_the_tenant_leaves_series_and_label_names() -> None:
    sets = [{"__name__": "up", TENANT: "one"}]
    assert json.loads(replies.label_sets(reply(sets), 10))["data"] == [{"__name__": "up"}]
    assert json.loads(replies.label_names(reply(["__name__", TENANT]), 10))["data"] == ["__name__"]
    assert json.loads(replies.label_values(reply(None), 10))["data"] == []


def test_without_any_series_there_is_no_label_name() -> None:
    assert json.loads(replies.label_names(reply(["__name__"]), 10))["data"] == []
    assert json.loads(replies.label_names(reply(["a", "b", "c"]), 2))["data"] == ["a", "b"]


def test_a_limit_cuts_and_says_so() -> None:
    assert json.loads(replies.label_values(reply(["a", "b", "c"]), 2)) == {
        "status": "success",
        "data": ["a", "b"],
        "warnings": [replies.TRUNCATED],
    }
    assert "warnings" not in json.loads(replies.label_names(reply(["a", "b", TENANT]), 2))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":{"result":[1]}}', b"\xff"])
def test_what_is_no_answer_of_the_store_is_told_apart(body: bytes) -> None:
    for read in (lambda body: replies.scalar(body, 0), lambda body: list(replies.pieces(body))):
        with pytest.raises(ReplyUnreadable):
            read(body)
    with pytest.raises(ReplyUnreadable):
        replies.label_values(b'{"data":{}}' if body.startswith(b"{") else body, 1)


@pytest.mark.parametrize(
    "text",
    [
        'cannot select up{signalbox_tenant="one"}: too many',
        'cannot select {a="b",signalbox_tenant="one"}: too many',
        'odd \\"signalbox_tenant\\" form',
    ],
)
def test_an_error_does_not_tell_of_the_filter_that_was_added(text: str) -> None:
    found = replies.error_text(json.dumps({"status": "error", "error": text}).encode())
    assert TENANT not in found
    assert found


def test_an_error_is_cut() -> None:
    assert len(replies.error_text(json.dumps({"error": "x" * 100_000}).encode())) <= 500
