"""Postgres restarts under load: relay and consumer go on where they were, without help."""

import asyncio
import functools
import operator
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from chassis import migrate, outbox
from chassis.outbox import Event

from tests.chaos.chassis_data.conftest import TABLES, StartWorker
from tests.support.eventually import eventually
from tests.support.servers import Handle

LINES_MAX = 80
Declare = Callable[[str, int], Awaitable[str]]


@pytest.mark.slow
async def test_relay_and_consumer_survive_a_restart_and_a_crash_of_postgres(
    own_postgres: Handle, kafka_bootstrap: str, start_worker: StartWorker, declare: Declare
) -> None:
    dsn = own_postgres.address
    await migrate.apply(dsn, "chassis")
    await ask(dsn, TABLES)
    topic = await declare(kafka_bootstrap, 3)
    worker = start_worker("relay,consumer,inbox", topic=topic, dsn=dsn, kafka=kafka_bootstrap)
    stop, written = asyncio.Event(), [0]
    writing = asyncio.create_task(write_events(dsn, topic, stop, written))

    async def applied() -> int:
        try:
            return await ask(dsn, "SELECT count(*) FROM effects")
        except (OSError, asyncpg.PostgresError):
            return -1

    await eventually(applied, accept=lambda n: n > 300, timeout_s=40)
    for restart in (own_postgres.restart, own_postgres.kill):
        before = await applied()
        await asyncio.to_thread(restart)
        if restart == own_postgres.kill:
            await asyncio.to_thread(own_postgres.start)
        await eventually(applied, accept=functools.partial(operator.lt, before + 300), timeout_s=40)
    stop.set()
    await writing
    await eventually(applied, accept=lambda n: n >= written[0], timeout_s=40)
    assert await asyncio.to_thread(worker.stop) == 0
    # A commit whose answer was lost may have happened: the writer tries again, so its rows are a set.
    assert await ask(dsn, "SELECT count(DISTINCT value) FROM effects") == written[0]
    assert await ask(dsn, "SELECT count(*) FROM outbox") == 0
    assert len(worker.lines()) < LINES_MAX, "\n".join(worker.lines()[:100])


async def ask(dsn: str, sql: str) -> int:
    conn = await asyncpg.connect(dsn, timeout=5)
    try:
        if sql == TABLES:
            await conn.execute(sql)
            return 0
        return int(await conn.fetchval(sql))
    finally:
        await conn.close(timeout=5)


async def write_events(dsn: str, topic: str, stop: asyncio.Event, written: list[int]) -> None:
    conn: asyncpg.Connection | None = None
    while not stop.is_set():
        try:
            if conn is None or conn.is_closed():
                conn = await asyncpg.connect(dsn, timeout=5)
            async with conn.transaction():
                events = [
                    Event(type="chaos.x.v1", topic=topic, key=f"k{n % 20}", data=n)
                    for n in range(written[0] + 1, written[0] + 11)
                ]
                await outbox.add_many(conn, events)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            conn = None
            await asyncio.sleep(0.1)
        else:
            written[0] += 10
        await asyncio.sleep(0.02)
    if conn is not None:
        await conn.close(timeout=5)
