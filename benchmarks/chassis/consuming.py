"""Applying a fetch of messages set-based in one transaction, against a transaction a message (ADR-0007)."""

import time
import uuid
from collections.abc import Sequence

from chassis import inbox
from chassis.postgres import Pool

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Postgres

FETCH = 500
FETCHES = 40
KEYS = 50


def measure() -> list[Row]:
    with running(Postgres) as postgres:
        together, singly = run(_measure(postgres.address))
    name = f"messages applied a fetch of {FETCH} at once / a transaction a message"
    return [more_is_better(name, together, singly, unit="1/s", goal=5.0)]


async def _measure(dsn: str) -> tuple[float, float]:
    async with migrated_pool(dsn) as pool:
        names = [f"key-{number}" for number in range(KEYS)]
        async with pool.acquire() as conn:
            await conn.executemany("INSERT INTO totals VALUES ($1, 0)", [(name,) for name in names])
        together = singly = 0.0
        for number in range(FETCHES):
            together += await _timed(_apply_together, pool, _fetch())
            if number % 10 == 0:
                singly += await _timed(_apply_singly, pool, _fetch())
        return FETCH * FETCHES / together, FETCH * (FETCHES / 10) / singly


def _fetch() -> list[tuple[str, str]]:
    return [(uuid.uuid4().hex, f"key-{number % KEYS}") for number in range(FETCH)]


async def _timed(apply: object, pool: Pool, messages: Sequence[tuple[str, str]]) -> float:
    assert callable(apply)
    started = time.perf_counter()
    await apply(pool, messages)
    return time.perf_counter() - started


async def _apply_together(pool: Pool, messages: Sequence[tuple[str, str]]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        new = await inbox.first_times(conn, "together", [event_id for event_id, _ in messages])
        await conn.execute(
            """
            UPDATE totals SET amount = totals.amount + news.count
            FROM (SELECT name, count(*) FROM unnest($1::text[]) AS name GROUP BY name ORDER BY name) AS news
            WHERE totals.name = news.name
            """,
            [name for event_id, name in messages if event_id in new],
        )


async def _apply_singly(pool: Pool, messages: Sequence[tuple[str, str]]) -> None:
    for event_id, name in messages:
        async with pool.acquire() as conn, conn.transaction():
            if await inbox.first_time(conn, "singly", event_id):
                await conn.execute("UPDATE totals SET amount = amount + 1 WHERE name = $1", name)
