"""Counting clicks in Postgres: exact, once per event, bounded, without deadlocks."""

import asyncio
import functools
import operator
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from chassis.kafka import Producer, Record
from chassis.postgres import Pool, pool_of
from pydantic import SecretStr
from shortener.events import CLICKS_RECORDED, Click, clicks_recorded
from shortener.settings import ShortenerSettings
from shortener.usecases.clicks import apply_clicks

from infra.kafka import topics
from tests.support.eventually import eventually
from tests.support.shortener import Stack, environment_of

LINKS = [str(uuid.UUID(int=n)) for n in range(1, 9)]
NOON = 1_795_262_400_000  # 2026-11-21 12:00 UTC
DAY_MS = 86_400_000
VALUES_MAX = 5


def click(link: int = 0, **fields: Any) -> Click:
    return Click(**{"link_id": LINKS[link], "tenant_id": "one", "at": NOON, **fields})


@pytest.fixture
async def pool(migrated_dsn: Callable[[str], str]) -> AsyncIterator[Pool]:
    settings = ShortenerSettings(
        database_url=migrated_dsn("shortener"),
        shortener_id_key=SecretStr("a-permutation-key-of-the-tests"),
        visitor_salt_key=SecretStr("a-salt-key-of-the-tests"),
    )
    async with pool_of(settings) as pool:
        yield pool


async def count(pool: Pool, events: Mapping[str, Sequence[Click]]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await apply_clicks(conn, events, values_max=VALUES_MAX)


async def rows(pool: Pool, statement: str) -> list[tuple[Any, ...]]:
    async with pool.acquire() as conn:
        return [tuple(row) for row in await conn.fetch(statement)]


async def test_an_event_that_is_sent_twice_counts_once(pool: Pool) -> None:
    batch = {"a": [click(visitor="00" * 8), click(visitor="00" * 8), click(bot=True)]}
    await count(pool, batch)
    await count(pool, batch | {"b": [click(visitor="ff" * 8)]})
    totals = await rows(pool, "SELECT tenant_id, clicks, bot_clicks, unique_visitors FROM link_totals")
    assert totals == [("one", 3, 1, 2)]
    assert await rows(pool, "SELECT clicks, bot_clicks FROM click_hours") == [(3, 1)]
    assert await rows(pool, "SELECT clicks, bot_clicks FROM tenant_hours") == [(3, 1)]


async def test_a_visitor_counts_once_a_day_and_link(pool: Pool) -> None:
    seen = [click(visitor="00" * 8), click(1, visitor="00" * 8), click(visitor="00" * 8, at=NOON + DAY_MS)]
    await count(pool, {"a": seen})
    await count(pool, {"b": seen})
    days = await rows(pool, "SELECT link_id::text, day::text, unique_visitors FROM click_days ORDER BY 1, 2")
    assert days == [(LINKS[0], "2026-11-21", 1), (LINKS[0], "2026-11-22", 1), (LINKS[1], "2026-11-21", 1)]


async def test_made_up_referrers_cannot_grow_the_table(pool: Pool) -> None:
    await count(pool, {"a": [click(referrer="known.example")]})
    for event in range(3):
        made_up = [click(referrer=f"spam-{event}-{n}.example") for n in range(50)]
        await count(pool, {f"b{event}": [*made_up, click(referrer="known.example")]})
    found = dict(await rows(pool, "SELECT value, clicks FROM click_dimensions WHERE dimension = 'referrer'"))
    assert len(found) == VALUES_MAX + 1
    assert sum(found.values()) == 154
    assert found["known.example"] == 4
    assert found["(other)"] == 150 - (VALUES_MAX - 1)


async def test_processes_that_count_the_same_links_at_once_do_not_deadlock(pool: Pool) -> None:
    async def work(process: int) -> None:
        for n in range(10):
            order = LINKS if process % 2 else LINKS[::-1]
            clicks = [
                Click(link_id=link, tenant_id=f"t{len(link) % 3}", at=NOON + n, visitor="00" * 8)
                for link in order
            ]
            await count(pool, {f"{process}-{n}": clicks})

    await asyncio.gather(*(work(process) for process in range(6)))
    assert await rows(pool, "SELECT sum(clicks)::int, sum(unique_visitors)::int FROM link_totals") == [
        (6 * 10 * len(LINKS), len(LINKS))
    ]


@pytest.mark.slow
async def test_a_record_that_cannot_be_read_goes_to_the_dead_letters_and_delays_none(
    migrated_dsn: Callable[[str], str], redis_url: str, kafka_bootstrap: str, tmp_path: Path
) -> None:
    await topics.apply(kafka_bootstrap, topics.declared())
    stack = Stack(
        tmp_path, environment_of(dsn=migrated_dsn("shortener"), redis_url=redis_url, kafka=kafka_bootstrap)
    )
    mark = uuid.uuid4()
    settings = ShortenerSettings(
        kafka_bootstrap=kafka_bootstrap,
        shortener_id_key=SecretStr("a-permutation-key-of-the-tests"),
        visitor_salt_key=SecretStr("a-salt-key-of-the-tests"),
    )
    producer = Producer(settings)
    await producer.start()
    try:
        (worker,) = await stack.start("shortener.worker")
        good = clicks_recorded(0, [Click(link_id=str(mark), tenant_id="one", at=NOON)])
        bad = Record(CLICKS_RECORDED, b"0", b"no clicks " + mark.bytes, [("ce_id", mark.hex.encode())])
        await producer.send_many([bad, good])
        async with stack.connected() as conn:
            counted = functools.partial(
                conn.fetchval, "SELECT clicks FROM link_totals WHERE link_id = $1", mark
            )
            await eventually(counted, timeout_s=60.0)
        letter = (
            'dlq_records_total{group="shortener.clicks",reason="poison",topic="shortener.clicks-recorded.v1"}'
        )
        assert await eventually(lambda: worker.metric(letter), accept=functools.partial(operator.le, 1))
        worker.signal(signal.SIGTERM)
        assert await worker.gone() == 0
    finally:
        await producer.stop()
        await stack.close()
