"""The broker goes away for a while under load: all recover alone, nothing is lost, logs stay short."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from chassis import outbox
from chassis.outbox import Event

from tests.chaos.chassis_data.conftest import TABLES, StartWorker
from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.servers import Handle

OUTAGE_S = effort(6.0, full=30.0)
LINES_MAX = 50
Declare = Callable[[str, int], Awaitable[str]]


async def write_events(dsn: str, topic: str, stop: asyncio.Event) -> int:
    """Some 500 events a second, numbered over all, in small transactions."""
    conn, number = await asyncpg.connect(dsn), 0
    try:
        while not stop.is_set():
            async with conn.transaction():
                for _ in range(10):
                    number += 1
                    key = f"k{random.randrange(50)}"  # noqa: S311
                    await outbox.add(conn, Event(type="chaos.x.v1", topic=topic, key=key, data=number))
            await asyncio.sleep(0.02)
    finally:
        await conn.close()
    return number


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_nothing_is_lost_and_everybody_recovers_alone(
    end: str,
    own_kafka: Handle,
    migrated_dsn: Callable[[str], str],
    start_worker: StartWorker,
    declare: Declare,
) -> None:
    dsn = migrated_dsn("chassis")
    conn = await asyncpg.connect(dsn)
    await conn.execute(TABLES)
    topic = await declare(own_kafka.address, 4)
    workers = [
        start_worker(roles, topic=topic, dsn=dsn, kafka=own_kafka.address)
        for roles in ("relay,direct", "consumer,inbox")
    ]

    async def applied() -> int:
        return int(await conn.fetchval("SELECT count(*) FROM effects"))

    stop = asyncio.Event()
    writing = asyncio.create_task(write_events(dsn, topic, stop))
    await eventually(applied, accept=lambda n: n > 500, timeout_s=40)

    await asyncio.to_thread(getattr(own_kafka, end))
    await asyncio.sleep(OUTAGE_S)
    backlog = await conn.fetchval("SELECT count(*) FROM outbox")
    assert backlog > 500, "the writers were meant to go on"
    before = await applied()
    await asyncio.to_thread(own_kafka.start)
    await eventually(applied, accept=lambda n: n > before + backlog, timeout_s=40)

    stop.set()
    written = await writing
    whole = "SELECT count(DISTINCT value) FROM effects WHERE value <= 1000000"
    await eventually(lambda: conn.fetchval(whole), accept=lambda n: n == written, timeout_s=40)
    assert all(worker.running for worker in workers)
    assert [await asyncio.to_thread(worker.stop) for worker in workers] == [0, 0]

    assert await conn.fetchval("SELECT count(*) FROM effects WHERE value <= 1000000") == written
    inversions = """
        SELECT count(*)
        FROM (
            SELECT value, lag(value) OVER (PARTITION BY key ORDER BY id) AS before
            FROM effects
            WHERE value <= 1000000
        ) AS log
        WHERE before > value
    """
    assert await conn.fetchval(inversions) == 0
    unkept = "SELECT count(*) FROM acknowledged WHERE value NOT IN (SELECT value FROM effects)"
    assert await conn.fetchval(unkept) <= 1, "only the very last may still be on its way"
    assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
    for worker in workers:
        assert len(worker.lines()) < LINES_MAX, "\n".join(worker.lines()[:80])
    await conn.close()
