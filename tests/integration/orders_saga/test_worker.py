"""Two workers of orders and one of inventory on a real broker: orders that nobody moves by hand."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import inventory.consumers
import inventory.events
import inventory.worker
import pytest
from chassis.dlq import redrive_topic, topic_of
from chassis.health import Health
from chassis.kafka import Record, cloudevent_headers
from chassis.server import StopSignal
from inventory.settings import InventorySettings
from orders import consumers, events, worker
from orders.letters import letters_consumer

from infra.kafka import topics
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.far_end import DECLINED

if TYPE_CHECKING:
    from tests.integration.orders_saga.conftest import Desk

PARTITIONS = 3


@dataclass
class Line:
    desk: "Desk"
    bootstrap: str
    shelf: str
    names: dict[str, str]

    @asynccontextmanager
    async def working(self, count: int = 2, **changed: Any) -> AsyncIterator[None]:
        """So many workers of orders, and inventory's, until the block ends."""
        stop = StopSignal()
        settings = self.desk.settings.model_copy(update={"kafka_bootstrap": self.bootstrap, **changed})
        theirs = InventorySettings(
            database_url=self.shelf, kafka_bootstrap=self.bootstrap, environment="test", database_timeout_s=30
        )
        runs = [worker.run(settings, Health(), stop) for _ in range(count)]
        tasks = [asyncio.create_task(run) for run in (*runs, inventory.worker.run(theirs, Health(), stop))]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def statuses(self) -> Counter[str]:
        async with self.desk.pool.acquire() as conn:
            rows = await conn.fetch("SELECT status FROM orders")
        return Counter(row["status"] for row in rows)

    async def all_ended(self) -> Counter[str]:
        return await eventually(
            self.statuses, accept=lambda found: not found["pending"], timeout_s=60, interval_s=0.1
        )


@pytest.fixture
async def line(
    desk: "Desk",
    kafka_bootstrap: str,
    migrated_dsn: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Line:
    """Topics and groups under their names with an ending: the broker is everybody's."""
    ending = uuid.uuid4().hex[:8]
    names = {
        name: f"{name}.{ending}"
        for name in (
            consumers.GROUP,
            inventory.consumers.GROUP,
            events.ORDER_CHANGED,
            events.STOCK_REQUESTED,
            consumers.RESERVATION_CHANGED,
            consumers.INTENT_CHANGED,
            consumers.REFUND_CHANGED,
        )
    }
    groups = [names.pop(consumers.GROUP), names.pop(inventory.consumers.GROUP)]
    single = [*(topic_of(name) for name in names.values()), *(redrive_topic(group) for group in groups)]
    await topics.apply(
        kafka_bootstrap,
        [
            *(topics.Topic(name, PARTITIONS) for name in names.values()),
            *(topics.Topic(name, 1) for name in single),
        ],
    )
    for module in (consumers, events, worker, inventory.consumers, inventory.events):
        for attribute in ("ORDER_CHANGED", "STOCK_REQUESTED", "RESERVATION_CHANGED"):
            if hasattr(module, attribute):
                monkeypatch.setattr(module, attribute, names[getattr(module, attribute)])
    monkeypatch.setattr(consumers, "INTENT_CHANGED", names[consumers.INTENT_CHANGED])
    monkeypatch.setattr(consumers, "REFUND_CHANGED", names[consumers.REFUND_CHANGED])
    monkeypatch.setattr(consumers, "GROUP", groups[0])
    monkeypatch.setattr(inventory.consumers, "GROUP", groups[1])
    pattern = rf"^.+\.{ending}\.dlq$"
    monkeypatch.setattr(
        worker,
        "letters_consumer",
        lambda settings, pool: letters_consumer(settings, pool, group=f"letters.{ending}", topics=pattern),
    )
    shelf = migrated_dsn("inventory")
    conn = await asyncpg.connect(shelf)
    await conn.execute(
        """
        INSERT INTO stock (tenant_id, sku, on_hand, received, version) VALUES ('acme', 'tea', 60, 60, 1)
        """
    )
    await conn.close()
    desk.clock.at = datetime.now(UTC)
    return Line(desk, kafka_bootstrap, shelf, names)


async def test_orders_end_as_their_stock_and_their_money_allow(line: Line) -> None:
    desk = line.desk
    async with line.working():
        declined = [await desk.place(payment_method=DECLINED) for _ in range(5)]
        assert await line.all_ended() == {"rejected": 5}
        for _ in range(40):
            await desk.place()
        assert await line.all_ended() == {"completed": 30, "rejected": 15}
    for order_id in declined:
        assert await desk.value("SELECT reason FROM orders WHERE id = $1", order_id) == "payment_declined"
    paid = [intent for intent in desk.far_end.intents.values() if intent["amount_received"]]
    assert len(paid) == 30
    conn = await asyncpg.connect(line.shelf)
    assert await conn.fetchval("SELECT array[on_hand, reserved, sold] FROM stock") == [0, 0, 60]
    await conn.close()


async def test_each_orders_events_leave_in_order_and_without_a_gap(line: Line) -> None:
    async with line.working():
        placed = [await line.desk.place() for _ in range(20)]
        await line.all_ended()
    by_order: dict[str, list[int]] = {}
    for record in await kafka_topics.read(line.bootstrap, [line.names["orders.order-changed.v1"]]):
        by_order.setdefault((record.key or b"").decode(), []).append(record.sequence)
    assert by_order == {order_id: [1, 2, 3, 4, 5, 6] for order_id in placed}


async def test_an_order_whose_reply_is_a_dead_letter_asks_again_and_goes_on(line: Line) -> None:
    """Poison on the way of an order delays it until its step is overdue, and no longer."""
    replies = line.names["inventory.reservation-changed.v1"]
    headers = cloudevent_headers(
        event_id=str(uuid.uuid4()), source="/inventory", event_type="inventory.of-tomorrow.v9"
    )
    async with line.working(saga_step_timeout_s=1.0):
        order_id = await line.desk.place()
        await kafka_topics.write(line.bootstrap, [Record(replies, order_id.encode(), b"{}", headers)])
        assert await line.all_ended() == {"completed": 1}
        await eventually(
            lambda: line.desk.value("SELECT count(*) FROM dead_letters"),
            accept=lambda n: n == 1,
            timeout_s=60,
        )
