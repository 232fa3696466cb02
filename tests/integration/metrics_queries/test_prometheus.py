"""Prometheus' codes and envelopes, one's own writes, and a store that is away."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from metrics_ingest.usecases.reached import Reached

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


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind"),
    [
        ("query", {}, 400, "bad_data"),
        ("query", {"query": "up", "time": "-1h"}, 400, "bad_data"),
        ("query", {"query": "up", "timeout": "x"}, 400, "bad_data"),
        ("query", {"query": "up", "min_position": "x"}, 400, "bad_data"),
        ("query", {"query": "sum("}, 422, "execution"),
        ("query", {"query": "no_such_function(up)"}, 422, "execution"),
        ("query_range", {"query": "up"}, 400, "bad_data"),
        ("query_range", {"query": "up", "start": 0, "end": 1e6, "step": 1}, 400, "bad_data"),
        ("query_range", {"query": "up{", "start": 0, "end": 60, "step": 15}, 422, "execution"),
        ("series", {}, 400, "bad_data"),
        ("series", {"match[]": "{"}, 400, "bad_data"),
        ("labels", {"match[]": "up["}, 400, "bad_data"),
        ("labels", {"start": "x"}, 400, "bad_data"),
    ],
)
async def test_errors_have_prometheus_codes_and_words(
    world: World, path: str, parameters: dict[str, Any], status: int, kind: str
) -> None:
    code, document = await ask(world, path, **parameters)
    assert (code, document["status"], document["errorType"]) == (status, "error", kind)
    assert "signalbox_tenant" not in document["error"]


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


async def test_however_many_wait_the_store_is_flushed_once_for_those_who_came_before(world: World) -> None:
    await world.commit(1, 1)
    flushes = 0

    async def flush() -> None:
        nonlocal flushes
        flushes += 1
        await asyncio.sleep(0)

    reached = Reached(world.served.pool, flush)
    until = asyncio.get_running_loop().time() + 5
    await asyncio.gather(*(reached.wait({1: 0}, until) for _ in range(50)))
    assert 1 <= flushes <= 3


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
