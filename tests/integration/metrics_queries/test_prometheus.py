"""Prometheus' codes and envelopes, one's own writes, and a store that is away."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from tests.integration.metrics_queries.world import World


async def ask(world: World, path: str, **parameters: Any) -> tuple[int, Mapping[str, Any]]:
    answer = await world.served.client("one").get(f"/api/v1/{path}", params=parameters)
    return answer.status_code, answer.json()


async def test_a_range_has_the_moments_that_were_asked_for(world: World) -> None:
    """Neither moved to multiples of the step nor taken from what was cached before late points came."""
    start = int(time.time()) - 3607
    await world.put("one", "m", [((start + at) * 1000, float(at)) for at in range(0, 600, 60)])
    asked = {"query": "m", "start": start, "end": start + 540, "step": 60}
    _, found = await ask(world, "query_range", **asked)
    assert [at for at, _ in found["data"]["result"][0]["values"]] == list(range(start, start + 541, 60))
    await world.put("one", "m", [((start + 30) * 1000, 99.0)])
    _, again = await ask(world, "query_range", **asked)
    assert again["data"]["result"][0]["values"] == found["data"]["result"][0]["values"]
    _, late = await ask(world, "query_range", query="m", start=start + 30, end=start + 30, step=1)
    assert late["data"]["result"][0]["values"] == [[start + 30, "99"]]


async def test_a_sample_is_seen_at_once_and_for_five_minutes(world: World) -> None:
    """However seldom its series has one, and also by a range that ends where it is."""
    now_ms = int(time.time() * 1000)
    await world.put("one", "fresh", [(now_ms, 1.0)])
    now = now_ms / 1000
    _, found = await ask(world, "query_range", query="fresh", start=now - 60, end=now, step=15)
    assert found["data"]["result"][0]["values"] == [[now, "1"]]
    at = now_ms // 1000 - 3600
    await world.put("one", "lone", [(at * 1000, 1.0)])
    _, found = await ask(world, "query_range", query="lone", start=at - 60, end=at + 600, step=60)
    assert [at for at, _ in found["data"]["result"][0]["values"]] == list(range(at, at + 300, 60))


BAD = (400, "bad_data")
FAILED = (422, "execution")
SPAN = {"start": 0, "end": 60, "step": 15}
ERRORS: list[tuple[tuple[int, str], str, dict[str, Any]]] = [
    (BAD, "query", {}),
    (BAD, "query", {"query": "up", "time": "-1h"}),
    (BAD, "query", {"query": "up", "timeout": "x"}),
    (BAD, "query", {"query": "up", "min_position": "x"}),
    (BAD, "query", {"query": "sum("}),
    (BAD, "query", {"query": "no_such_function(up)"}),
    (BAD, "query", {"query": "histogram_quantile(0.9)"}),
    (BAD, "query", {"query": 'up{job=~"("}'}),
    (FAILED, "query", {"query": "twin + on () twin"}),
    (FAILED, "query", {"query": "twin / on () group_left () twin"}),
    (BAD, "query_range", {"query": "up"}),
    (BAD, "query_range", {"query": "up", "start": 0, "end": 1e6, "step": 1}),
    (BAD, "query_range", {"query": "up{", **SPAN}),
    (BAD, "series", {}),
    (BAD, "series", {"match[]": "{"}),
    (BAD, "series", {"match[]": "sum(up)"}),
    (BAD, "labels", {"match[]": "up["}),
    (BAD, "labels", {"start": "x"}),
    (BAD, "label/job/values", {"match[]": "{}"}),
]


async def test_errors_have_prometheus_codes_and_words(world: World) -> None:
    """As Prometheus 2.42 gives them: 400 for what is wrong in itself, 422 for what fails on these series."""
    now_ms = int(time.time()) * 1000
    for job in "ab":
        await world.put("one", "twin", [(now_ms, 1.0)], job=job)
    for expected, path, parameters in ERRORS:
        code, document = await ask(world, path, **parameters)
        assert (code, document.get("errorType")) == expected, (path, parameters)
        assert document["status"] == "error"
        assert "signalbox_tenant" not in document["error"]


async def test_results_have_prometheus_types(world: World) -> None:
    now = int(time.time())
    await world.put("one", "m", [(now * 1000, 2.5)], job="a")
    at = {"time": now}
    series = {"metric": {"__name__": "m", "job": "a"}}
    for query, expected in (
        ("m", {"resultType": "vector", "result": [{**series, "value": [now, "2.5"]}]}),
        ("m[1m]", {"resultType": "matrix", "result": [{**series, "values": [[now, "2.5"]]}]}),
        ("1 + 1", {"resultType": "scalar", "result": [now, "2"]}),
        ("vector(1)", {"resultType": "vector", "result": [{"metric": {}, "value": [now, "1"]}]}),
        ("no_such", {"resultType": "vector", "result": []}),
    ):
        assert await ask(world, "query", query=query, **at) == (200, {"status": "success", "data": expected})
    found = await ask(world, "query_range", query="m", start=now, end=now, step="1m")
    data = {"resultType": "matrix", "result": [{**series, "values": [[now, "2.5"]]}]}
    assert found == (200, {"status": "success", "data": data})


async def test_basic_auth_takes_the_key_as_password(world: World) -> None:
    client = world.served.client(None)
    for password, status in (("key-of-one-0123456789abcdef", 200), ("wrong", 401)):
        answer = await client.get("/api/v1/query", params={"query": "1"}, auth=("grafana", password))
        assert answer.status_code == status


async def test_a_limit_cuts_lists(world: World) -> None:
    now_ms = int(time.time()) * 1000
    for job in "abc":
        await world.put("one", "m", [(now_ms, 1.0)], job=job)
    _, found = await ask(world, "label/job/values", limit=2)
    assert (len(found["data"]), len(found["warnings"])) == (2, 1)
    _, everything = await ask(world, "label/job/values")
    assert everything == {"status": "success", "data": ["a", "b", "c"]}


async def test_a_position_is_waited_for(world: World) -> None:
    await world.commit(0, 5)
    code, _ = await ask(world, "query", query="m", min_position="p0:4")
    assert code == 200
    answer = await world.served.client("one").get(
        "/api/v1/query", params={"query": "m", "min_position": "p0:5"}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    waiting = asyncio.create_task(ask(world, "query", query="m", min_position="p0:5"))
    await world.commit(0, 6)
    assert (await waiting)[0] == 200


async def test_a_store_that_is_frozen_or_away_is_503_and_its_return_200(world: World) -> None:
    world.server.pause()
    try:
        code, document = await ask(world, "query", query="1", timeout="200ms")
        assert (code, document["errorType"]) == (503, "timeout")
    finally:
        world.server.resume()
    await asyncio.to_thread(world.server.stop)
    for path in ("query", "labels"):
        code, document = await ask(world, path, query="1")
        assert (code, document["errorType"]) == (503, "unavailable")
    await asyncio.to_thread(world.server.start)
    assert (await ask(world, "query", query="1"))[0] == 200
