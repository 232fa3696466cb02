"""The outbox relay with batches and awaited acks, against one awaited send after the other (ADR-0006)."""

import asyncio
import time

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis import outbox
from chassis.kafka import Producer
from chassis.postgres import Pool
from chassis.settings import ChassisSettings

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Kafka, Postgres

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
    await _create_topic(bootstrap)
    async with migrated_pool(dsn) as pool:
        serial = await _serial_per_s(bootstrap)
        relayed = await _relay_per_s(pool, bootstrap)
    return relayed, serial


async def _create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=6, replication_factor=1)])
    finally:
        await admin.close()


async def _relay_per_s(pool: Pool, bootstrap: str) -> float:
    """From a full outbox to an empty one, through the database and the broker."""
    for start in range(0, ROWS, 1_000):
        async with pool.acquire() as conn, conn.transaction():
            await outbox.add_many(conn, [_event(number) for number in range(start, start + 1_000)])
    producer = Producer(ChassisSettings(service_name="bench", kafka_bootstrap=bootstrap))
    await producer.start()
    stop = asyncio.Event()
    started = time.perf_counter()
    relaying = asyncio.create_task(outbox.Relay(pool, producer).run(stop))
    async with asyncio.timeout(TIMEOUT_S):
        while await _pending(pool):  # noqa: ASYNC110 - the table is the condition
            await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    stop.set()
    await relaying
    await producer.stop()
    return ROWS / seconds


async def _pending(pool: Pool) -> bool:
    async with pool.acquire() as conn:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM outbox)"))


async def _serial_per_s(bootstrap: str) -> float:
    """The broker's part alone, without reading and deleting rows: a favour to this way."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        records = [_event(number).record() for number in range(SERIAL_ROWS)]
        started = time.perf_counter()
        for record in records:
            await producer.send_and_wait(TOPIC, record.value, key=record.key, headers=list(record.headers))
        return SERIAL_ROWS / (time.perf_counter() - started)
    finally:
        await producer.stop()


def _event(number: int) -> outbox.Event:
    data = {"number": number, "text": "x" * 200}
    return outbox.Event(type=TOPIC, key=f"key-{number % KEYS}", data=data)
