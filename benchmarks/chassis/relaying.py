"""The outbox relay with batches and awaited acks, against one awaited send after the other (ADR-0006)."""

import asyncio
import gc
import time
from collections.abc import Callable

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis import outbox
from chassis.kafka import Producer
from chassis.postgres import Pool
from chassis.settings import ChassisSettings

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Kafka, Postgres

PARTITIONS = 6
TOPIC = "bench.things-happened.v1"
ROWS = 20_000
SERIAL_ROWS = 1_000
KEYS = 500
TIMEOUT_S = 60.0


def measure() -> list[Row]:
    with running(Postgres) as postgres, running(Kafka) as kafka:
        relayed, serial = run(_measure(postgres.address, kafka.address))
    return [
        more_is_better("outbox rows relayed / serial send_and_wait", relayed, serial, unit="1/s", goal=3.0)
    ]


async def _measure(dsn: str, bootstrap: str) -> tuple[float, float]:
    await create_topic(bootstrap, TOPIC)
    async with migrated_pool(dsn) as pool:
        serial = await serial_per_s(bootstrap, _event, rows=SERIAL_ROWS)
        relayed = await relay_per_s(pool, bootstrap, _event, rows=ROWS)
    return relayed, serial


async def create_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)])
    finally:
        await admin.close()


async def fill(pool: Pool, event: Callable[[int], outbox.Event], *, rows: int) -> None:
    for start in range(0, rows, 1_000):
        async with pool.acquire() as conn, conn.transaction():
            await outbox.add_many(conn, [event(number) for number in range(start, start + 1_000)])


async def relay_per_s(
    pool: Pool, bootstrap: str, event: Callable[[int], outbox.Event], *, rows: int
) -> float:
    """From a full outbox to an empty one, through the database and the broker."""
    await fill(pool, event, rows=rows)
    producer = Producer(ChassisSettings(service_name="bench", kafka_bootstrap=bootstrap))
    await producer.start()
    stop = asyncio.Event()
    as_a_worker_does()
    started = time.perf_counter()
    relaying = asyncio.create_task(outbox.Relay(pool, producer).run(stop))
    async with asyncio.timeout(TIMEOUT_S):
        while await pending(pool):  # noqa: ASYNC110 - the table is the condition
            await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    stop.set()
    await relaying
    await producer.stop()
    return rows / seconds


def as_a_worker_does() -> None:
    """What `chassis.server` does at the end of the start: the heap so far is not walked again and again."""
    gc.collect()
    gc.freeze()


async def pending(pool: Pool) -> bool:
    async with pool.acquire() as conn:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM outbox)"))


async def serial_per_s(bootstrap: str, event: Callable[[int], outbox.Event], *, rows: int) -> float:
    """The broker's part alone, without reading and deleting rows: a favour to this way."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        records = [event(number).record() for number in range(rows)]
        started = time.perf_counter()
        for record in records:
            await producer.send_and_wait(
                record.topic, record.value, key=record.key, headers=list(record.headers)
            )
        return rows / (time.perf_counter() - started)
    finally:
        await producer.stop()


def _event(number: int) -> outbox.Event:
    data = {"number": number, "text": "x" * 200}
    return outbox.Event(type=TOPIC, key=f"key-{number % KEYS}", data=data)
