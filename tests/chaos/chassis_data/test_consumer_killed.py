"""Consumers that die or stall in the middle of a batch: counts are exact."""

import asyncio
import functools
import operator
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from chassis.kafka import Ack, Producer, Record
from chassis.settings import ChassisSettings

from tests.chaos.chassis_data.conftest import TABLES, StartWorker
from tests.support.effort import effort
from tests.support.eventually import eventually

TOTAL = effort(6_000, full=12_000)
KILLS = effort(3, full=5)
Declare = Callable[[str, int], Awaitable[str]]


@pytest.fixture
async def conn(migrated_dsn: Callable[[str], str]) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    dsn = migrated_dsn("chassis")
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLES)
    yield connection, dsn
    await connection.close()


async def fill(bootstrap: str, topic: str) -> None:
    producer = Producer(ChassisSettings(kafka_bootstrap=bootstrap))
    await producer.start()
    records = [Record(topic, b"k%d" % (n % 101), b"%d" % n) for n in range(TOTAL)]
    assert all(isinstance(result, Ack) for result in await producer.send_many(records))
    await producer.stop()


async def check(conn: asyncpg.Connection) -> None:
    row = await conn.fetchrow(
        "SELECT count(*) AS rows, count(DISTINCT value) AS each, sum(value) AS sum FROM effects"
    )
    assert row is not None
    assert (row["rows"], row["each"], row["sum"]) == (TOTAL, TOTAL, TOTAL * (TOTAL - 1) // 2)


@pytest.mark.slow
async def test_a_consumer_killed_again_and_again_in_mid_batch_counts_exactly(
    conn: tuple[asyncpg.Connection, str], kafka_bootstrap: str, start_worker: StartWorker, declare: Declare
) -> None:
    connection, dsn = conn
    topic = await declare(kafka_bootstrap, 6)
    await fill(kafka_bootstrap, topic)

    async def applied() -> int:
        return int(await connection.fetchval("SELECT count(*) FROM effects"))

    async def in_a_batch() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND query LIKE 'SELECT pg_sleep%' AND state = 'active')"
            )
        )

    for kill in range(KILLS):
        worker = start_worker(
            "consumer",
            topic=topic,
            dsn=dsn,
            kafka=kafka_bootstrap,
            CHAOS_HOLD_S="0.05",
            CHAOS_BATCH="300",
            CHAOS_SESSION_S="1.5",
        )
        before = await applied()
        await eventually(applied, accept=functools.partial(operator.lt, before), timeout_s=40)
        await eventually(in_a_batch, timeout_s=20, interval_s=0.001)
        worker.kill()
        assert await applied() < TOTAL, f"killed {kill} times, too late to matter"
    start_worker("consumer", topic=topic, dsn=dsn, kafka=kafka_bootstrap, CHAOS_SESSION_S="1.5")
    await eventually(applied, accept=lambda n: n >= TOTAL, timeout_s=60)
    await check(connection)


@pytest.mark.slow
async def test_a_member_that_stalls_in_mid_batch_and_wakes_changes_nothing(
    conn: tuple[asyncpg.Connection, str], kafka_bootstrap: str, start_worker: StartWorker, declare: Declare
) -> None:
    connection, dsn = conn
    topic = await declare(kafka_bootstrap, 2)
    await fill(kafka_bootstrap, topic)

    async def applied() -> int:
        return int(await connection.fetchval("SELECT count(*) FROM effects"))

    where = {"topic": topic, "dsn": dsn, "kafka": kafka_bootstrap}
    stalled = start_worker("consumer", **where, CHAOS_HOLD_S="0.1", CHAOS_BATCH="500", CHAOS_SESSION_S="1.5")
    await eventually(applied, timeout_s=40)
    stalled.signal(signal.SIGSTOP)
    start_worker("consumer", **where, CHAOS_SESSION_S="1.5")
    # Its open transaction holds the offset's row until Postgres ends it as idle.
    await eventually(applied, accept=lambda n: n >= TOTAL, timeout_s=60)
    stalled.signal(signal.SIGCONT)
    await eventually(lambda: any("assigned" in line for line in stalled.lines()[1:]), timeout_s=30)
    assert stalled.running
    await asyncio.to_thread(stalled.stop)
    await check(connection)
