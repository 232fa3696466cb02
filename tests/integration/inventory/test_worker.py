"""The worker on a real broker: commands in, replies out, whatever is cut off in between."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from chassis.dlq import redrive_record, redrive_topic, topic_of
from chassis.health import Health
from chassis.kafka import Producer, Record, cloudevent_headers
from chassis.records import Origin
from chassis.server import StopSignal
from inventory import consumers, events, worker
from inventory.domain.reservations import Command, Reserve

from infra.kafka import topics
from tests.integration.inventory.served import Served, confirm, release, reserve
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.kafka_topics import Found

PARTITIONS = 4
TYPES = {"Reserve": "reservation", "Confirm": "confirmation", "Release": "release"}


def record_of(command: Command, topic: str, *, event_id: str | None = None) -> Record:
    """As orders sends it."""
    data: dict[str, Any] = {
        "order_id": command.order_id,
        "tenant_id": command.tenant_id,
        "request_id": command.request_id,
    }
    if isinstance(command, Reserve):
        data |= {"lines": command.lines, "expires_at": command.expires_at}
    headers = cloudevent_headers(
        event_id=event_id or str(uuid.uuid4()),
        source="/orders",
        event_type=f"orders.stock-{TYPES[type(command).__name__]}-requested.v1",
        traceparent=command.traceparent,
    )
    return Record(topic, command.order_id.encode(), msgspec.json.encode(data), headers)


@dataclass
class Line:
    """Topics and a group of one test's own, under the service's names with an ending."""

    bootstrap: str
    shop: Served
    producer: Producer
    requests: str
    replies: str
    group: str

    async def send(self, *commands: Command) -> None:
        await self.put(*(record_of(command, self.requests) for command in commands))

    async def put(self, *records: Record) -> None:
        assert all(hasattr(ack, "offset") for ack in await self.producer.send_many(records))

    @asynccontextmanager
    async def working(self, count: int = 1, **changed: Any) -> AsyncIterator[None]:
        """So many workers, until the block ends."""
        settings = self.shop.res.settings.model_copy(
            update={
                "kafka_bootstrap": self.bootstrap,
                "expiry_poll_s": 0.1,
                "database_pool_max": 6,
                **changed,
            }
        )
        stop = StopSignal()
        tasks = [asyncio.create_task(worker.run(settings, Health(), stop)) for _ in range(count)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def heard(self, topic: str | None = None) -> list[Found]:
        """All that was sent to a topic so far, partition by partition."""
        return await kafka_topics.read(self.bootstrap, [topic or self.replies])

    async def hear(self, count: int, topic: str | None = None) -> list[Found]:
        return await eventually(
            lambda: self.heard(topic), accept=lambda found: len(found) >= count, timeout_s=60, interval_s=0.2
        )


def type_of(reply: Found) -> str:
    return (reply.header("ce_type") or "").removeprefix("inventory.").removesuffix(".v1")


@pytest.fixture
async def line(shop: Served, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    ending = uuid.uuid4().hex[:8]
    made = {name: f"{name}.{ending}" for name in (events.STOCK_REQUESTED, events.RESERVATION_CHANGED)}
    group = f"{consumers.GROUP}.{ending}"
    requests, replies = made.values()
    await topics.apply(
        kafka_bootstrap,
        [
            *(topics.Topic(name, PARTITIONS) for name in (requests, replies)),
            *(topics.Topic(name, 1) for name in (topic_of(requests), redrive_topic(group))),
        ],
    )
    monkeypatch.setattr(consumers, "STOCK_REQUESTED", requests)
    monkeypatch.setattr(consumers, "GROUP", group)
    monkeypatch.setattr(events, "RESERVATION_CHANGED", replies)
    settings = shop.res.settings.model_copy(update={"kafka_bootstrap": kafka_bootstrap})
    producer = Producer(settings)
    await producer.start()
    yield Line(kafka_bootstrap, shop, producer, requests, replies, group)
    await producer.stop()


def trace_of(number: int) -> str:
    return f"00-{number + 1:032x}-{1:016x}-00"


async def snapshot(shop: Served) -> list[Any]:
    """Every table of ours, whole."""
    return [
        await shop.db.fetch("SELECT * FROM stock ORDER BY tenant_id, sku"),
        await shop.db.fetch("SELECT * FROM reservations ORDER BY order_id"),
        await shop.db.fetch("SELECT * FROM reservation_lines ORDER BY order_id, sku"),
        await shop.db.fetch("SELECT * FROM stock_movements ORDER BY id"),
        await shop.db.fetch("SELECT consumer, event_id FROM inbox ORDER BY event_id"),
    ]


def by_order(replies: Sequence[Found]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = defaultdict(list)
    for reply in replies:
        found[(reply.key or b"").decode()].append(reply)
    return found


async def test_two_workers_sell_a_hot_sku_to_its_last_unit_and_no_further(line: Line) -> None:
    await line.shop.shelve(lamp=70, shade=1_000)
    orders = [f"ord_{n:03}" for n in range(100)]
    async with line.working(2):
        await line.send(
            *(reserve(order, trace=trace_of(n), lamp=1, shade=2) for n, order in enumerate(orders))
        )
        first = await line.hear(100)
        won = [order for order, (reply,) in by_order(first).items() if type_of(reply) == "stock-reserved"]
        assert len(won) == 70
        await line.send(*(confirm(order) for order in won))
        replies = by_order(await line.hear(170))
    for n, order in enumerate(orders):
        assert [reply.sequence for reply in replies[order]] == ([1, 2] if order in won else [1])
        assert replies[order][0].header("traceparent") == trace_of(n)
    lamp = await line.shop.level("lamp")
    assert (lamp["stock"], lamp["reserved"], lamp["sold"]) == (0, 0, 70)
    await line.shop.assert_clean()


async def test_every_command_is_answered_once_through_connections_that_are_cut(line: Line) -> None:
    await line.shop.shelve(lamp=10_000)
    orders = [f"ord_{n:03}" for n in range(240)]
    async with line.working(2, commands_max=20):
        for start in range(0, len(orders), 40):
            await line.send(*(reserve(order, lamp=1) for order in orders[start : start + 40]))
            await line.shop.db.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """
            )
        replies = by_order(await line.hear(240))
    # A relay that was cut off between Kafka's answer and its own delete sends again: the same event.
    assert {order: {reply.header("ce_id") for reply in told} for order, told in replies.items()} == {
        order: {events.event_id(order, 1)} for order in orders
    }
    assert (await line.shop.level("lamp"))["reserved"] == 240
    await line.shop.assert_clean()


async def test_a_replay_from_the_first_record_changes_nothing_and_sends_nothing(line: Line) -> None:
    await line.shop.shelve(lamp=10)
    async with line.working():
        await line.send(*(reserve(f"ord_{n}", lamp=1) for n in range(12)))
        await line.hear(12)
        await line.send(*(confirm(f"ord_{n}") for n in range(6)), release("ord_6"))
        await line.hear(19)
    before, sent = await snapshot(line.shop), await line.heard()
    await line.shop.db.execute("UPDATE consumer_offsets SET next_offset = 0")
    async with line.working():
        await eventually(
            lambda: line.shop.db.fetchval("SELECT sum(next_offset)::int FROM consumer_offsets"),
            accept=lambda total: total == 19,
            timeout_s=60,
        )
    assert await snapshot(line.shop) == before
    assert await line.heard() == sent
    assert await line.shop.told() == []


async def test_what_cannot_be_read_is_buried_and_its_neighbours_are_answered(line: Line) -> None:
    await line.shop.shelve(lamp=10)
    good = record_of(reserve("ord_1", lamp=1), line.requests)
    headers = [(name, value) for name, value in good.headers if name != "ce_id"]
    unreadable = Record(line.requests, b"ord_2", b"\xff\xfe not JSON", [*headers, ("ce_id", b"e2")])
    nothing = Record(line.requests, b"ord_3", None, [*headers, ("ce_id", b"e3")])
    stolen = record_of(reserve("ord_1", lamp=1), line.requests)
    stolen = Record(
        stolen.topic, stolen.key, (stolen.value or b"").replace(b"acme", b"other"), stolen.headers
    )
    async with line.working():
        await line.put(good, unreadable, nothing, stolen, record_of(reserve("ord_4", lamp=1), line.requests))
        replies = await line.hear(2)
        letters = await line.hear(3, topic_of(line.requests))
    assert {reply.key for reply in replies} == {b"ord_1", b"ord_4"}
    assert sorted((letter.key, letter.header("dlq-reason")) for letter in letters) == [
        (b"ord_1", "permanent"),
        (b"ord_2", "poison"),
        (b"ord_3", "poison"),
    ]
    await line.shop.assert_clean()


async def test_a_reservation_that_is_redriven_after_its_release_is_refused(
    line: Line, make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = make_topic()
    monkeypatch.setattr("chassis.dlq.RESOLVED_TOPIC", resolved)
    await line.shop.shelve(lamp=10)
    late = record_of(reserve("ord_1", trace=trace_of(1), lamp=1), line.requests)
    again = redrive_record(
        line.group,
        Origin(line.requests, 0, 0),
        key=late.key,
        value=late.value,
        headers=late.headers,
        redrives=1,
    )
    async with line.working():
        await line.send(release("ord_1"))
        await line.hear(1)
        await line.put(again)
        replies = await line.hear(2)
        (end,) = await line.hear(1, resolved)
    assert [type_of(reply) for reply in replies] == ["stock-released", "stock-refused"]
    assert {replies[1].header("traceparent"), end.header("traceparent")} == {trace_of(1)}
    assert (await line.shop.level("lamp"))["available"] == 10


async def test_the_sweeper_tells_of_what_ran_out_of_time(line: Line) -> None:
    await line.shop.shelve(lamp=10)
    async with line.working(2, report_s=0.1, reap_every_s=0.1):
        await line.send(
            reserve("ord_1", trace=trace_of(1), expires_in_s=0.3, lamp=1), reserve("ord_2", lamp=2)
        )
        replies = by_order(await line.hear(3))
    assert [(type_of(reply), reply.header("traceparent")) for reply in replies["ord_1"]] == [
        ("stock-reserved", trace_of(1)),
        ("reservation-expired", trace_of(1)),
    ]
    assert (await line.shop.level("lamp"))["reserved"] == 2
    await line.shop.assert_clean()
