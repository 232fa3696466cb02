"""Four relays on one outbox: shards under leases, and SKIP LOCKED as it is often shown (ADR-0006)."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from chassis import outbox
from chassis.kafka import Producer
from chassis.postgres import Pool
from chassis.records import Ack, Record, cloudevent_attributes
from chassis.settings import ChassisSettings

from benchmarks._frame import Row, figure, more_is_better
from benchmarks.chassis.relaying import PARTITIONS, as_a_worker_does, create_topic, fill, pending
from benchmarks.chassis.servers import migrated_pool, run, running
from benchmarks.orders.relaying import IN_PROGRESS, STEPS, order_changed
from tests.support.servers import Kafka, Postgres

RELAYS = 4
ORDERS = 25 * IN_PROGRESS
ROWS = ORDERS * STEPS
# As much as one of our relays takes of a shard.
BATCH = 500
TIMEOUT_S = 120.0

RelayLoop = Callable[[Pool, Producer, asyncio.Event], Coroutine[Any, Any, None]]


def measure_order() -> list[Row]:
    """An order whose version 2 stands before its version 1 in Kafka is out of order."""
    with running(Postgres) as postgres, running(Kafka) as kafka:
        sharded, skipping = run(_measure(postgres.address, kafka.address))
    return [
        more_is_better(
            f"orders whose events stay in order, {RELAYS} relays on shards / all orders",
            ORDERS - sharded[1],
            ORDERS,
            unit="orders",
            goal=1.0,
        ),
        figure(f"orders out of order, {RELAYS} relays on shards", sharded[1], unit="orders"),
        figure(f"orders out of order, {RELAYS} relays with SKIP LOCKED", skipping[1], unit="orders"),
        more_is_better(
            f"events relayed, {RELAYS} relays on shards / with SKIP LOCKED",
            sharded[0],
            skipping[0],
            unit="1/s",
        ),
    ]


async def _measure(dsn: str, bootstrap: str) -> tuple[tuple[float, int], tuple[float, int]]:
    async with migrated_pool(dsn, size=2 * RELAYS + 2) as pool:
        skipping = await _run(pool, bootstrap, "bench.skip-locked.v1", _skip_locked)
        sharded = await _run(pool, bootstrap, "bench.sharded.v1", _sharded)
    return sharded, skipping


async def _run(pool: Pool, bootstrap: str, topic: str, relay: RelayLoop) -> tuple[float, int]:
    """Events a second, and how many orders are out of order."""
    await create_topic(bootstrap, topic)
    await fill(pool, lambda number: _moved(order_changed(number), topic), rows=ROWS)
    settings = ChassisSettings(service_name="bench", kafka_bootstrap=bootstrap)
    producers = [Producer(settings) for _ in range(RELAYS)]
    for producer in producers:
        await producer.start()
    stop = asyncio.Event()
    as_a_worker_does()
    started = time.perf_counter()
    relays = [asyncio.create_task(relay(pool, producer, stop)) for producer in producers]
    async with asyncio.timeout(TIMEOUT_S):
        while await pending(pool):  # noqa: ASYNC110 - the table is the condition
            await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started
    stop.set()
    await asyncio.gather(*relays)
    for producer in producers:
        await producer.stop()
    return ROWS / seconds, await _out_of_order(bootstrap, topic)


def _moved(event: outbox.Event, topic: str) -> outbox.Event:
    return outbox.Event(
        type=event.type, key=event.key, data=event.data, sequence=event.sequence, topic=topic, id=event.id
    )


async def _sharded(pool: Pool, producer: Producer, stop: asyncio.Event) -> None:
    await outbox.Relay(pool, producer).run(stop)


async def _skip_locked(pool: Pool, producer: Producer, stop: asyncio.Event) -> None:
    """The usual outbox relay: lock what nobody else has locked, send it, delete it, commit."""
    while not stop.is_set():
        async with pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(
                """
                SELECT id, topic, key, value, header_names, header_values
                FROM outbox
                ORDER BY id
                LIMIT $1
                FOR UPDATE SKIP LOCKED
                """,
                BATCH,
            )
            results = await producer.send_many([_record(row) for row in rows])
            sent = [row["id"] for row, result in zip(rows, results, strict=True) if isinstance(result, Ack)]
            await conn.execute("DELETE FROM outbox WHERE id = ANY ($1::bigint[])", sent)
        if not rows:
            await asyncio.sleep(0.02)


def _record(row: Any) -> Record:
    headers = list(zip(row["header_names"], row["header_values"], strict=True))
    return Record(row["topic"], row["key"], row["value"], headers)


async def _out_of_order(bootstrap: str, topic: str) -> int:
    """Looked at from outside: the whole topic is read, partition by partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    latest: dict[bytes, int] = {}
    inverted: set[bytes] = set()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        async with asyncio.timeout(TIMEOUT_S):
            while not await _read_to(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
                    _look(records, latest, inverted)
    finally:
        await consumer.stop()
    assert len(latest) == ORDERS
    return len(inverted)


async def _read_to(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(place) >= end for place, end in ends.items()])


def _look(records: Sequence[Any], latest: dict[bytes, int], inverted: set[bytes]) -> None:
    for record in records:
        version = int(cloudevent_attributes(record.headers)["sequence"])
        if version < latest.get(record.key, 0):
            inverted.add(record.key)
        latest[record.key] = max(version, latest.get(record.key, 0))
