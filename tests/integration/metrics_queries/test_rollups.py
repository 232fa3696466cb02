"""Rollups on a real store: declared, evaluated, again after late points, and by one writer at a time."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from chassis.server import StopSignal
from metrics_ingest.domain.rollups import AGGREGATES
from metrics_ingest.inquiry import Inquiry, inquiry_of
from metrics_ingest.usecases.rollups import LeaseLost, Pace, Rollups

from tests.integration.metrics_queries.world import World

# The end of a window of five minutes and of an hour; the points are of the windows before it.
END_S = int(time.time()) // 3600 * 3600 - 3600
PACE = Pace(grace_s=0.0, recheck_s=0.0, lease_s=3600.0)


@pytest.fixture
async def inquiry(world: World) -> AsyncIterator[Inquiry]:
    async with inquiry_of(world.server.address, calls_max=4, user_agent="tests") as found:
        yield found


def rollups(world: World, inquiry: Inquiry, pace: Pace = PACE) -> Rollups:
    """Another writer's each time; the clock stands at the window's end."""
    return Rollups(world.served.pool, inquiry, world.client, pace, clock=lambda: float(END_S))


async def declare(world: World, *metrics: str, tenant: str = "one") -> None:
    answer = await world.served.client(tenant).put("/api/v1/rollups", json={"metrics": metrics})
    assert answer.status_code == 200, answer.text


async def read(world: World, window: str, tenant: str = "one") -> dict[str, str]:
    """What the window that ends at `END_S` came to, by aggregate."""
    query = f'last_over_time({{__name__=~"m:.*_{window}"}}[{window}])'
    answer = await world.served.client(tenant).get("/api/v1/query", params={"query": query, "time": END_S})
    found = answer.json()["data"]["result"]
    return {row["metric"]["__name__"].split(":")[1].split("_")[0]: row["value"][1] for row in found}


async def samples(world: World) -> int:
    query = 'sum(count_over_time({__name__=~"m:.*"}[1d]))'
    answer = await world.served.client("one").get("/api/v1/query", params={"query": query, "time": END_S})
    result = answer.json()["data"]["result"]
    return int(result[0]["value"][1]) if result else 0


async def test_a_declared_metric_is_summed_up_and_again_when_late_points_come(
    world: World, inquiry: Inquiry
) -> None:
    await world.put("one", "m", [((END_S - 200) * 1000, 1.0), ((END_S - 100) * 1000, 3.0)], job="a")
    await world.put("two", "m", [((END_S - 100) * 1000, 1000.0)])
    await declare(world, "m")
    writer = rollups(world, inquiry)
    await writer.turn(StopSignal())
    await world.client.force_flush()
    expected = {"avg": "2", "min": "1", "max": "3", "sum": "4", "count": "2"}
    assert await read(world, "5m") == await read(world, "1h") == expected
    assert await read(world, "5m", tenant="two") == {}

    written = await samples(world)
    await writer.turn(StopSignal())
    await world.client.force_flush()
    assert await samples(world) == written

    await world.put("one", "m", [((END_S - 150) * 1000, 8.0)], job="a")
    await writer.turn(StopSignal())
    await world.client.force_flush()
    expected = {"avg": "4", "min": "1", "max": "8", "sum": "12", "count": "3"}
    assert await read(world, "5m") == await read(world, "1h") == expected
    assert await samples(world) == written + 2 * len(AGGREGATES)


async def test_what_is_too_large_for_one_answer_is_summed_up_in_parts(world: World, inquiry: Inquiry) -> None:
    await world.put("one", "m", [((END_S - back_s) * 1000, 1.0) for back_s in range(10, 7200, 50)])
    await declare(world, "m")
    await rollups(world, inquiry, replace(PACE, answer_bytes_max=4096)).turn(StopSignal())
    await world.client.force_flush()
    assert await samples(world) == (7200 // 300 + 7200 // 3600) * len(AGGREGATES)
    assert (await read(world, "5m"))["count"] == "6"
    assert (await read(world, "1h"))["sum"] == "72"


async def test_what_a_crash_took_of_the_rollups_is_written_again(world: World, inquiry: Inquiry) -> None:
    await world.put("one", "m", [((END_S - 100) * 1000, 3.0)])
    await declare(world, "m")
    writer = rollups(world, inquiry)
    await writer.turn(StopSignal())
    await world.client.force_flush()
    expected = await read(world, "5m")
    await world.forget('{__name__=~"m:(sum|count)_5m"}')
    assert set(await read(world, "5m")) == {"avg", "min", "max"}
    await writer.turn(StopSignal())
    await world.client.force_flush()
    assert await read(world, "5m") == expected


async def test_a_second_writer_stands_by_while_the_first_has_the_lease(
    world: World, inquiry: Inquiry
) -> None:
    await rollups(world, inquiry).turn(StopSignal())
    with pytest.raises(LeaseLost):
        await rollups(world, inquiry).turn(StopSignal())


async def test_declaring_replaces_what_was_declared(world: World) -> None:
    await declare(world, "m", "n", "m")
    client = world.served.client("one")
    assert (await client.get("/api/v1/rollups")).json()["metrics"] == ["m", "n"]
    await declare(world, "n")
    await declare(world, "m", tenant="two")
    assert (await client.get("/api/v1/rollups")).json()["metrics"] == ["n"]


@pytest.mark.parametrize("metrics", [["a:b"], ['m"} or {a="'], [""], [f"m{n}" for n in range(21)], "m"])
async def test_what_cannot_be_rolled_up_is_refused(world: World, metrics: object) -> None:
    client = world.served.client("one")
    assert (await client.put("/api/v1/rollups", json={"metrics": metrics})).status_code == 422
    assert (await client.get("/api/v1/rollups")).json()["metrics"] == []
