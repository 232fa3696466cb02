"""Order events from Postgres to acknowledged in Kafka, against one send after the other (ADR-0006)."""

import time
import uuid
from typing import Any

from aiokafka import AIOKafkaProducer
from chassis import outbox
from chassis.postgres import Pool

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.relaying import create_topic, fill, relay_per_s, serial_per_s
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Kafka, Postgres

TOPIC = "orders.order-changed.v1"
ROWS, WARM_UP_ROWS, SERIAL_ROWS = 60_000, 5_000, 2_000
# So many orders are under way at a time, each in as many steps: their events lie side by side in the outbox.
IN_PROGRESS, STEPS = 400, 5


def measure_relay() -> list[Row]:
    with running(Postgres) as postgres, running(Kafka) as kafka:
        relayed, sends, serial = run(_measure(postgres.address, kafka.address))
    return [
        more_is_better(
            "order events from Postgres to acknowledged / send_and_wait alone",
            relayed,
            sends,
            unit="1/s",
            goal=25.0,
        ),
        more_is_better("the same / a relay that sends and deletes row by row", relayed, serial, unit="1/s"),
    ]


async def _measure(dsn: str, bootstrap: str) -> tuple[float, float, float]:
    await create_topic(bootstrap, TOPIC)
    async with migrated_pool(dsn) as pool:
        await relay_per_s(pool, bootstrap, order_changed, rows=WARM_UP_ROWS)
        sends = await serial_per_s(bootstrap, order_changed, rows=SERIAL_ROWS)
        serial = await _serial_relay_per_s(pool, bootstrap)
        relayed = await relay_per_s(pool, bootstrap, order_changed, rows=ROWS)
    return relayed, sends, serial


async def _serial_relay_per_s(pool: Pool, bootstrap: str) -> float:
    """The relay of a first try: read a page, then send, await and delete row by row."""
    await fill(pool, order_changed, rows=SERIAL_ROWS)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    started = time.perf_counter()
    try:
        async with pool.acquire() as conn:
            while rows := await conn.fetch("SELECT * FROM outbox ORDER BY id LIMIT 100"):
                for row in rows:
                    headers = list(zip(row["header_names"], row["header_values"], strict=True))
                    await producer.send_and_wait(row["topic"], row["value"], key=row["key"], headers=headers)
                    await conn.execute("DELETE FROM outbox WHERE id = $1", row["id"])
    finally:
        await producer.stop()
    return SERIAL_ROWS / (time.perf_counter() - started)


def order_changed(number: int) -> outbox.Event:
    """What an order tells of each of its steps."""
    block, place = divmod(number, IN_PROGRESS * STEPS)
    order_id = f"ord_{block * IN_PROGRESS + place % IN_PROGRESS:022d}"
    version = place // IN_PROGRESS + 1
    data: dict[str, Any] = {
        "order_id": order_id,
        "tenant_id": "acme",
        "customer_id": "cus_0001",
        "status": "pending",
        "step": "stock_reserved",
        "reason": None,
        "currency": "eur",
        "amount": 4_990,
        "lines": [{"sku": "teapot-blue", "name": "Blue teapot", "quantity": 2, "unit_price": 2_495}],
        "notify": {"email": None, "webhook_url": None},
        "version": version,
        "at": "2026-11-21T12:00:00.000Z",
    }
    return outbox.Event(
        type="orders.order-advanced.v1",
        topic=TOPIC,
        key=order_id,
        sequence=version,
        data=data,
        id=str(uuid.UUID(int=number)),
    )
