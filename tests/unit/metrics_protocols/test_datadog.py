"""Datadog's series: types, tags and resources, and values that are refused alone."""

import json
from typing import Any

import pytest
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge
from metrics_ingest.receivers import datadog
from metrics_ingest.receivers.messages import Answer, Request

from tests.support.series_registry import NOW_MS, tenant
from tests.support.taken import Res

NOW_S = NOW_MS // 1000


def series(metric: str = "m", value: Any = 1, at: Any = NOW_S, **more: Any) -> dict[str, Any]:
    return {"metric": metric, "points": [{"timestamp": at, "value": value}], **more}


async def send(res: Res, *entries: Any) -> Answer:
    body = json.dumps({"series": entries}).encode()
    return await datadog.receive(res, tenant(), Request("/api/v2/series", body))


async def test_series_become_labelled_samples() -> None:
    res = Res()
    answer = await send(
        res,
        series(
            "system.load.1",
            0.7,
            type=3,
            unit="load",
            interval=10,
            tags=["env:prod", "role:db", "role:cache", "url:http://x", "canary", ""],
            resources=[{"name": "web-1", "type": "host"}, {"name": "", "type": "pod"}],
            source_type_name="System",
        ),
    )
    assert (answer.status, json.loads(answer.body)) == (202, {"errors": []})
    assert res.values == {
        'system_load_1{canary="true",env="prod",host="web-1",role="db;cache",source_type_name="System",'
        'url="http://x"}': 0.7
    }


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
async def test_every_type_keeps_its_values(kind: int) -> None:
    res = Res()
    points = [{"timestamp": NOW_S - 1, "value": 3}, {"timestamp": NOW_S, "value": 2.5}]
    await send(res, {"metric": "m", "type": kind, "points": points})
    assert res.stored == {"m": [(NOW_MS - 1000, 3.0), (NOW_MS, 2.5)]}


async def test_points_are_refused_one_by_one() -> None:
    res = Res()
    answer = await send(
        res,
        series("a"),
        {
            "metric": "b",
            "points": [{"timestamp": NOW_S, "value": "1"}, {"timestamp": NOW_S, "value": 2}, [1, 2]],
        },
        series("c", at="today"),
        series("d", at=1e300),
        series("e", value=True),
        series("f", at=5),
        series("g", type=9),
        {"metric": "h", "points": []},
        {"points": []},
        7,
        series("", 1),
        series("i", 10**400),
        series("z", at=None),
    )
    assert res.verdict.items == [
        (1, "invalid_value"),
        (3, "malformed"),
        (4, "invalid_timestamp"),
        (5, "invalid_timestamp"),
        (6, "invalid_value"),
        (7, "too_old"),
        (8, "malformed"),
        (9, "no_samples"),
        (10, "malformed"),
        (11, "malformed"),
        (12, "missing_name"),
        (13, "invalid_value"),
    ]
    assert sorted(res.stored) == ["a", "b", "z"]
    assert answer.status == 202
    assert json.loads(answer.body)["errors"][1] == "point 1: invalid_value"


async def test_nothing_accepted_is_a_bad_request_and_still_accounted_for() -> None:
    res = Res()
    answer = await send(res, series(value=None))
    assert answer.status == 400
    assert (res.verdict.received, res.verdict.accepted) == (1, 0)


async def test_no_series_is_no_error() -> None:
    res = Res()
    assert (await send(res)).status == 202
    assert not res.accepting.taken


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"series": 1}', b"{", b"[" * 100_000, b'{"series": [\xff]}']
)
async def test_what_is_no_series_is_malformed_as_a_whole(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        await datadog.receive(Res(), tenant(), Request("/api/v2/series", body))


async def test_values_that_would_fill_the_memory_are_refused_unread() -> None:
    with pytest.raises(BodyTooLarge):
        await datadog.receive(Res(), tenant(), Request("/", b'{"series": [' + b"{}," * 500_000 + b"{}]}"))


async def test_labels_written_out_for_every_point_are_bounded_too() -> None:
    tags = [f"k{n}:{'v' * 2000}" for n in range(29)]
    points = [{"timestamp": NOW_S, "value": 1}] * 3000
    with pytest.raises(BodyTooLarge):
        await send(Res(), {"metric": "m", "points": points, "tags": tags})
