"""Inventory's consumer as it is, against its handler with a transaction a message (ADR-0007, ADR-0011)."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer
from chassis import outbox, postgres
from chassis.kafka import Ack, Handlers, Producer
from chassis.kafka.client import message_of
from chassis.kafka.isolate import Apply
from inventory.consumers import TYPES, commands_consumer, handle
from inventory.events import STOCK_REQUESTED
from inventory.settings import InventorySettings

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.servers import run, running
from infra.kafka import topics
from tests.support.databases import Databases
from tests.support.servers import Kafka, Postgres

TYPE = "orders.stock-reservation-requested.v1"
TENANT, SKUS, ON_SHELF = "acme", 200, 1_000_000
SINGLY, TOGETHER = 2_000, 20_000
FETCH = 500
TIMEOUT_S = 180.0


def measure_consumer() -> list[Row]:
    """Each order takes two of two hundred SKUs; the topic, the handler and the tables are the real ones."""
    with running(Postgres) as server, running(Kafka) as kafka, tempfile.TemporaryDirectory() as folder:
        databases = Databases(server.address, Path(folder))
        dsns = [databases.migrated("inventory") for _ in range(2)]
        together, singly = run(_measure(dsns, kafka.address))
    name = "stock commands answered: a fetch a transaction / a message a transaction"
    return [more_is_better(name, together, singly, unit="1/s", goal=10.0)]


async def _measure(dsns: list[str], bootstrap: str) -> tuple[float, float]:
    await topics.apply(bootstrap, topics.declared())
    one, other = [
        InventorySettings(service_name="bench", database_url=dsn, kafka_bootstrap=bootstrap) for dsn in dsns
    ]
    for settings in (one, other):
        await _fill_shelves(settings.database_url)
    await _send(one, SINGLY)
    singly = await _singly_per_s(one)
    await _send(other, TOGETHER)
    return await _together_per_s(other, SINGLY + TOGETHER), singly


async def _fill_shelves(dsn: str) -> None:
    conn = await asyncpg.connect(dsn, timeout=30)
    try:
        await conn.execute(
            """
            INSERT INTO stock (tenant_id, sku, on_hand, received)
            SELECT $1, 'sku-' || number, $2, $2 FROM generate_series(0, $3 - 1) AS number
            """,
            TENANT,
            ON_SHELF,
            SKUS,
        )
    finally:
        await conn.close(timeout=30)


async def _send(settings: InventorySettings, count: int) -> None:
    producer = Producer(settings)
    await producer.start()
    try:
        for start in range(0, count, 1_000):
            records = [event.record() for event in _commands(min(1_000, count - start), start)]
            assert all(isinstance(result, Ack) for result in await producer.send_many(records))
    finally:
        await producer.stop()


def _commands(count: int, start: int) -> Iterator[outbox.Event]:
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    for number in range(start, start + count):
        order_id = f"ord_{uuid.uuid4().hex}"
        lines = [{"sku": f"sku-{(number * 7 + n * 31) % SKUS}", "quantity": 1} for n in range(2)]
        data = {
            "order_id": order_id,
            "tenant_id": TENANT,
            "request_id": f"{order_id}:reserve",
            "lines": lines,
            "expires_at": expires_at,
        }
        yield outbox.Event(type=TYPE, topic=STOCK_REQUESTED, key=order_id, data=data, sequence=1)


async def _together_per_s(settings: InventorySettings, count: int) -> float:
    stop = asyncio.Event()
    async with postgres.pool_of(settings) as pool:
        loop = commands_consumer(settings, pool)
        consuming = asyncio.create_task(loop.run(stop))
        async with asyncio.timeout(TIMEOUT_S):
            while not loop.assignment:  # noqa: ASYNC110 - joining the group is not what is measured
                await asyncio.sleep(0.005)
            started = time.perf_counter()
            reached = "SELECT sum(next_offset) FROM consumer_offsets WHERE topic = $1 AND next_offset > 0"
            while (await pool.fetchval(reached, STOCK_REQUESTED) or 0) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            seconds = time.perf_counter() - started
        stop.set()
        await consuming
        await _check(settings, count)
    return count / seconds


async def _singly_per_s(settings: InventorySettings) -> float:
    """The usual loop: begin, ask the inbox, do it, commit, next; the offsets once a fetch."""
    consumer = AIOKafkaConsumer(
        STOCK_REQUESTED,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id="bench-singly",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    apply = Handlers(consumer="bench", types=TYPES).apply(handle)
    await consumer.start()
    try:
        async with postgres.pool_of(settings) as pool, asyncio.timeout(TIMEOUT_S):
            seconds = await _consume_singly(consumer, pool, apply)
    finally:
        await consumer.stop()
    await _check(settings, SINGLY)
    return SINGLY / seconds


async def _consume_singly(consumer: AIOKafkaConsumer, pool: postgres.Pool, apply: Apply) -> float:
    done, started = 0, None
    while done < SINGLY:
        fetched = await consumer.getmany(timeout_ms=200, max_records=FETCH)
        started = started or time.perf_counter()
        for record in (record for records in fetched.values() for record in records):
            async with pool.acquire() as conn, conn.transaction():
                await apply(conn, [message_of(record)])
            done += 1
        await consumer.commit()
    assert started is not None
    return time.perf_counter() - started


async def _check(settings: InventorySettings, count: int) -> None:
    conn = await asyncpg.connect(settings.database_url, timeout=30)
    try:
        reserved = await conn.fetchval("SELECT count(*) FROM reservations WHERE state = 'reserved'")
        assert reserved == count, f"{reserved} of {count} orders have their stock"
    finally:
        await conn.close(timeout=30)
