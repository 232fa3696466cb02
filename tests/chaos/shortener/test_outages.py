"""A server that dies, hangs or cuts its connections takes no redirect with it that can be answered."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.chaos.shortener.conftest import ROADS, Fleet, Start, heal, status_of
from tests.chaos.shortener.load import Tally, load
from tests.chaos.shortener.wire import Answer, Wire
from tests.support.eventually import eventually
from tests.support.servers import Handle

CLIENTS = 12
PAUSE_S = 0.005  # between two requests of a client: faults are tested here, not speed
LINKS = 1_500
SLOWEST_S = 1.0
REFUSED_WITHIN_S = 0.5
STRANGERS = [f"nobody-{number}" for number in range(200)]

Fault = Callable[[Fleet, Tally], Awaitable[None]]


async def kill_redis(fleet: Fleet, tally: Tally) -> None:
    await asyncio.to_thread(fleet.redis.kill)
    await tally.more(400)
    await asyncio.to_thread(fleet.redis.start)


async def pause_redis(fleet: Fleet, tally: Tally) -> None:
    await asyncio.to_thread(fleet.redis.pause)
    await tally.more(400)
    await asyncio.to_thread(fleet.redis.resume)


async def reset_redis(fleet: Fleet, tally: Tally) -> None:
    for _ in range(20):
        await fleet.cut_redis_connections()
        await tally.more(20)


async def flush_redis(fleet: Fleet, tally: Tally) -> None:
    for _ in range(20):
        await fleet.redis_command("FLUSHALL")
        await tally.more(20)


async def forget_scripts(fleet: Fleet, tally: Tally) -> None:
    await fleet.redis_command("SCRIPT", "FLUSH")
    await tally.more(200)


@pytest.mark.parametrize(
    "fault",
    [kill_redis, pause_redis, reset_redis, flush_redis, forget_scripts],
    ids=lambda fault: fault.__name__,
)
async def test_redis_may_fail_under_load_and_every_answer_is_right(fleet: Fleet, fault: Fault) -> None:
    slugs = await fleet.links(LINKS)
    async with load(fleet.ports, slugs, clients=CLIENTS, strangers=STRANGERS, pause_s=PAUSE_S) as tally:
        await tally.more(400)
        await fault(fleet, tally)
        await tally.more(200)
        await fleet.roads_open()
        await tally.more(200)
    assert tally.wrong == []
    assert set(tally.answers) == {302, 404}
    assert tally.slowest_s < SLOWEST_S


async def warm(fleet: Fleet, slugs: list[str]) -> None:
    for slug in slugs:
        assert await fleet.statuses(slug) == [302] * len(fleet.ports)


async def held_in_memory(fleet: Fleet, slugs: list[str]) -> bool:
    """Whether every process answers all of them without asking anybody.

    One that fills Redis drops the link from the memory of those who missed it at the same moment.
    """
    series = 'shortener_redirects_total{status="302",tier="l1"}'
    before = [await process.metric(series) for process in fleet.processes]
    await warm(fleet, slugs)
    after = [await process.metric(series) for process in fleet.processes]
    return [b - a for a, b in zip(before, after, strict=True)] == [len(slugs)] * len(before)


async def stop(server: Handle) -> None:
    await asyncio.to_thread(server.stop)


async def pause(server: Handle) -> None:
    await asyncio.to_thread(server.pause)


@pytest.mark.parametrize("end", [stop, pause], ids=lambda end: end.__name__)
async def test_without_postgres_warm_links_redirect_and_cold_ones_are_refused_quickly(
    fleet: Fleet, end: Callable[[Handle], Awaitable[None]]
) -> None:
    held, cold = await fleet.links(20), await fleet.links(30)
    await warm(fleet, held)
    await end(fleet.postgres)
    async with load(fleet.ports, held, clients=6, pause_s=PAUSE_S) as tally:
        for slug in cold:
            refused = await asyncio.gather(*(asked(port, slug) for port in fleet.ports))
            for answer in refused:
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) >= 1
                assert json.loads(answer.body)["code"] == "database_unavailable"
                assert answer.seconds < REFUSED_WITHIN_S
        await tally.more(200)
    assert tally.wrong == []
    await asyncio.to_thread(heal, fleet.postgres)
    await eventually(functools.partial(all_found, fleet, cold[0]), timeout_s=20)
    await warm(fleet, cold)


async def test_without_postgres_the_management_api_answers_503_and_recovers_by_itself(fleet: Fleet) -> None:
    link = await fleet.create()
    await asyncio.to_thread(fleet.postgres.stop)
    async with fleet.api() as api:
        for answer in (
            await api.get(f"/v1/links/{link['id']}"),
            await api.get("/v1/links"),
            await api.post("/v1/links", json={"url": "https://example.com/"}),
            await api.post(
                "/v1/links/bulk", json={"mode": "each", "links": [{"url": "https://example.com/"}]}
            ),
            await api.post(f"/v1/links/{link['id']}/disable"),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["code"] == "database_unavailable"
        await asyncio.to_thread(fleet.postgres.start)

        async def recovered() -> bool:
            return (await api.get(f"/v1/links/{link['id']}")).status_code == 200

        await eventually(recovered, timeout_s=20)
    await fleet.create()
    await fleet.roads_open()


async def test_without_postgres_and_redis_what_was_held_is_still_served(fleet: Fleet) -> None:
    held = await fleet.links(20)
    await eventually(functools.partial(held_in_memory, fleet, held), timeout_s=20)
    await asyncio.gather(*(asyncio.to_thread(server.stop) for server in (fleet.postgres, fleet.redis)))
    async with load(fleet.ports, held, clients=6, pause_s=PAUSE_S) as tally:
        await tally.more(600)
        unknown = await asked(fleet.ports[0], "never-seen")
    assert tally.wrong == []
    assert unknown.status == 503


async def test_without_kafka_redirects_and_creates_go_on_and_the_clicks_arrive_later(
    fleet: Fleet, start_process: Start, own_kafka: Handle, clicks_in: Callable[[str], Awaitable[int]]
) -> None:
    process = await start_process(KAFKA_BOOTSTRAP=own_kafka.address)
    slugs = await fleet.links(50)
    async with load([process.port], slugs, clients=6, pause_s=PAUSE_S) as tally:
        await tally.more(100)
        await asyncio.to_thread(own_kafka.stop)
        await tally.more(300)
        async with fleet.stack.api(process) as api:
            created = await api.post("/v1/links", json={"url": "https://example.com/"})
        assert created.status_code == httpx.codes.CREATED
        await asyncio.to_thread(own_kafka.start)
        await tally.more(100)
    assert tally.wrong == []
    assert tally.slowest_s < SLOWEST_S
    await eventually(
        functools.partial(clicks_in, own_kafka.address), accept=tally.answers[302].__eq__, timeout_s=60
    )


@pytest.mark.parametrize("away", [("redis",), ("postgres",), ("redis", "postgres")], ids="+".join)
async def test_a_process_that_starts_before_its_servers_comes_up_and_waits_for_them(
    fleet: Fleet, start_process: Start, away: tuple[str, ...]
) -> None:
    """Kafka is never there for the processes of these tests."""
    (slug,) = await fleet.links(1)
    servers: list[Handle] = [getattr(fleet, name) for name in away]
    await asyncio.gather(*(asyncio.to_thread(server.stop) for server in servers))
    process = await start_process()
    pid = process.pid
    assert await status_of(process.port, slug) == (503 if "postgres" in away else 302)
    for server in servers:
        await asyncio.to_thread(server.start)

    async def whole() -> bool:
        heard = [await process.metric(f'shortener_cache_tracking_up{{source="{road}"}}') for road in ROADS]
        return all(heard) and await status_of(process.port, slug) == 302

    await eventually(whole, timeout_s=30)
    async with fleet.stack.api(process) as api:
        assert (await api.get("/v1/links?limit=1")).status_code == httpx.codes.OK
        checks = (await api.get("/readyz")).json()["checks"]
    assert set(checks.values()) == {"ok"}
    assert process.pid == pid


async def all_found(fleet: Fleet, slug: str) -> bool:
    return await fleet.statuses(slug) == [302] * len(fleet.ports)


async def asked(port: int, slug: str) -> Answer:
    async with Wire(port) as wire:
        return await wire.get(slug)
