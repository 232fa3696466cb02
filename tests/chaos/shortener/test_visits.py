"""A link with `max_visits` gives exactly that many, whatever asks for it at once and whatever Redis loses."""

import asyncio
from collections import Counter

from tests.chaos.shortener.conftest import Fleet
from tests.chaos.shortener.wire import Wire, get, storm

VISITS, REQUESTS = 100, 5_000


async def test_5000_concurrent_requests_get_exactly_100_redirects(fleet: Fleet) -> None:
    link = await fleet.create(max_visits=VISITS)
    answers = await storm(fleet.ports, [get(link["slug"])] * REQUESTS)
    assert Counter(answer.status for answer in answers) == {302: VISITS, 410: REQUESTS - VISITS}
    assert {a.headers.get("location") for a in answers if a.status == 302} == {link["url"]}
    assert await visits_used(fleet, link["id"]) == VISITS
    assert await fleet.statuses(link["slug"]) == [410] * len(fleet.ports)


async def test_a_redis_that_loses_everything_meanwhile_gives_no_visit_more(fleet: Fleet) -> None:
    link = await fleet.create(max_visits=VISITS)
    flushed = asyncio.Event()

    async def flush() -> None:
        while not flushed.is_set():
            await fleet.redis_command("FLUSHALL")
            await asyncio.sleep(0.01)

    async def visit(port: int, count: int) -> Counter[int]:
        async with Wire(port) as wire:
            return Counter([(await wire.get(link["slug"])).status for _ in range(count)])

    flushing = asyncio.create_task(flush())
    each = REQUESTS // 10 // 30
    seen = await asyncio.gather(*(visit(port, each) for port in fleet.ports for _ in range(10)))
    storming = await storm(fleet.ports, [get(link["slug"])] * (REQUESTS // 10))
    flushed.set()
    await flushing
    total = sum(seen, Counter()) + Counter(answer.status for answer in storming)
    assert total == {302: VISITS, 410: 30 * each + REQUESTS // 10 - VISITS}
    assert await visits_used(fleet, link["id"]) == VISITS


async def test_head_uses_up_no_visit(fleet: Fleet) -> None:
    link = await fleet.create(max_visits=2)
    looked = await storm(fleet.ports, [get(link["slug"], "HEAD")] * 300)
    assert Counter(answer.status for answer in looked) == {302: 300}
    visited = await storm(fleet.ports, [get(link["slug"])] * 60)
    assert Counter(answer.status for answer in visited) == {302: 2, 410: 58}
    looked = await storm(fleet.ports, [get(link["slug"], "HEAD")] * 30)
    assert Counter(answer.status for answer in looked) == {410: 30}


async def visits_used(fleet: Fleet, link_id: str) -> int:
    async with fleet.stack.connected() as conn:
        return int(await conn.fetchval("SELECT visits_used FROM links WHERE id = $1", link_id))
