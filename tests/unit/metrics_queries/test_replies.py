"""The store's answers in Prometheus' envelope, and the label that nobody is to see."""

import json
from typing import Any

import pytest
from metrics_ingest.domain import replies
from metrics_ingest.domain.replies import ReplyUnreadable

TENANT = "signalbox_tenant"


def reply(data: Any, **more: Any) -> bytes:
    return json.dumps({"status": "success", "data": data, **more}).encode()


def test_the_tenant_leaves_every_series_of_a_result_and_the_points_stay() -> None:
    points = [[1800000000.123, "+Inf"], [1800000001, "0.1"]]
    rows = [{"metric": {"__name__": "up", TENANT: "one", "job": "signalbox_tenant"}, "values": points}]
    answer = json.loads(
        replies.result(reply({"resultType": "matrix", "result": rows}, isPartial=False, stats={}))
    )
    assert answer == {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [{"metric": {"__name__": "up", "job": "signalbox_tenant"}, "values": points}],
        },
    }


def test_scalars_and_texts_pass_through() -> None:
    data = {"resultType": "scalar", "result": [1800000000, "1"]}
    assert json.loads(replies.result(reply(data)))["data"] == data


def test_the_tenant_leaves_series_and_label_names() -> None:
    sets = [{"__name__": "up", TENANT: "one"}]
    assert json.loads(replies.label_sets(reply(sets), 10))["data"] == [{"__name__": "up"}]
    assert json.loads(replies.label_names(reply(["__name__", TENANT]), 10))["data"] == ["__name__"]
    assert json.loads(replies.label_values(reply(None), 10))["data"] == []


def test_a_limit_cuts_and_says_so() -> None:
    assert json.loads(replies.label_values(reply(["a", "b", "c"]), 2)) == {
        "status": "success",
        "data": ["a", "b"],
        "warnings": [replies.TRUNCATED],
    }
    assert "warnings" not in json.loads(replies.label_names(reply(["a", "b", TENANT]), 2))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"data":{"resultType":"vector","result":[1]}}', b"\xff"]
)
def test_what_is_no_answer_of_the_store_is_told_apart(body: bytes) -> None:
    with pytest.raises(ReplyUnreadable):
        replies.result(body)


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
