"""What fails for good or for a while stands aside: its partition mates go on, its own key keeps its order."""

import asyncio
import json
import statistics
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from chassis.records import Headers, Record, cloudevent_headers

from tests.chaos.orders.conftest import Chaos
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.kafka_topics import Found
from tests.support.orders_stack import Json, OrdersStack

REQUESTS, REPLIES = "orders.stock-requested.v1", "inventory.reservation-changed.v1"
RESERVE = "orders.stock-reservation-requested.v1"
BURST = 60
PARTITIONS = 6
MATE_DELAY_MAX_S = 1.0
USUAL_DELAY_S = 0.25  # of nine in ten reservations, on two cores that do nothing else
IN_PLACE_MAX = 5  # tries of a batch in place, within a second, before a key is parked
MIB = 1024 * 1024


def headers_of(event_type: str, sequence: int = 1) -> Headers:
    return cloudevent_headers(
        event_id=str(uuid.uuid4()), source="/orders", event_type=event_type, sequence=sequence
    )


POISON = {
    "bytes that are no JSON": (headers_of(RESERVE), b"\xff\xfe{"),
    "another shape": (headers_of(RESERVE), b'{"order_id": 7}'),
    "an unknown type": (headers_of("orders.stock-painted.v1"), b"{}"),
    "an unknown version": (headers_of("orders.stock-reservation-requested.v9"), b"{}"),
    "no value": (headers_of(RESERVE), None),
    "a value of 1 MiB": (headers_of(RESERVE), b'"' + b"x" * (MIB - 2) + b'"'),
    "no headers": ((), b"{}"),
}


async def test_poison_delays_its_partition_mates_by_less_than_a_second(chaos: Chaos) -> None:
    """Two bursts alike, the second with poison in every partition. Both are timed by the records' own
    timestamps, on the same machine at the same pace, so what differs is the poison. A machine that is
    slow without any poison may be slower with it, in proportion.
    """
    sku, stack = chaos.basket.skus[0], chaos.stack
    clean = await burst(chaos, sku, poison=False)
    poisoned = await burst(chaos, sku, poison=True)
    await all_poison_is_buried_byte_for_byte(stack)
    await chaos.proven()
    records = await kafka_topics.read(stack.kafka, [REQUESTS, REPLIES])
    without, with_poison = (
        statistics.quantiles(delays_s(records, orders), n=10)[-1] for orders in (clean, poisoned)
    )
    allowed = MATE_DELAY_MAX_S * max(1.0, without / USUAL_DELAY_S)
    assert with_poison - without < allowed, (without, with_poison)


async def all_poison_is_buried_byte_for_byte(stack: OrdersStack) -> None:
    """And given up: nobody could ever apply it."""
    ours = {"group": "inventory", "topic": REQUESTS, "key": "poison"}
    count = len(POISON) * PARTITIONS
    await eventually(
        lambda: stack.dead_letters(state="dead", **ours), timeout_s=30, accept=lambda rows: len(rows) == count
    )
    buried = await kafka_topics.read(stack.kafka, [f"{REQUESTS}.dlq"])
    assert {letter.value for letter in buried} >= {value for _, value in POISON.values()}
    assert (await stack.redrive("discard", filter=ours))["done"] == count


async def burst(chaos: Chaos, sku: str, *, poison: bool) -> list[str]:
    """The ids of orders that were placed, with poison before, between and after them."""
    at = len(chaos.shop.placed)
    async with asyncio.TaskGroup() as group:
        if poison:
            for partition in range(PARTITIONS):
                group.create_task(write_poison(chaos, partition))
        for _ in range(BURST):
            group.create_task(chaos.shop.place(sku))
            await asyncio.sleep(0.03)
    await chaos.shop.all_ended()
    return [order["id"] for order in chaos.shop.placed[at:]]


async def write_poison(chaos: Chaos, partition: int) -> None:
    records = [Record(REQUESTS, b"poison", value, headers) for headers, value in POISON.values()]
    await kafka_topics.write(chaos.stack.kafka, records, partition=partition)


def delays_s(records: Sequence[Found], orders: Sequence[str]) -> list[float]:
    """From a request to reserve until inventory's reply, both as the log has them."""
    asked = {r.key: r.appended_ms for r in reversed(records) if r.header("ce_type") == RESERVE}
    told = {r.key: r.appended_ms for r in reversed(records) if r.topic == REPLIES}
    return [(told[key] - asked[key]) / 1000 for key in map(str.encode, orders)]


@pytest.mark.parametrize("failures", [3, 8], ids=["in place", "parked"])
async def test_a_key_whose_first_event_fails_keeps_its_order_and_harms_no_other(
    chaos: Chaos, failures: int
) -> None:
    """Five commands of A, B and C in one partition; the first of A fails. B and C tell what is right."""
    stack, sku = chaos.stack, chaos.basket.skus[0]
    a, b, c = (f"ord_{name}{uuid.uuid4().hex[:21]}" for name in "ABC")
    await stack.fault("inventory", RESERVE, "transient", key=a, count=failures)
    worker, series = (
        stack.named["inventory-worker"],
        'kafka_faults_injected_total{error="transient",group="inventory"}',
    )
    before = await worker.metric(series)
    commands = [
        command for order_id in (a, b, c) for command in five_commands(order_id, chaos.shop.tenant, sku)
    ]
    await kafka_topics.write(stack.kafka, commands, partition=3)

    async def replies() -> dict[str, list[Found]]:
        records = await kafka_topics.read(stack.kafka, [REPLIES])
        return {order_id: [r for r in records if r.key == order_id.encode()] for order_id in (a, b, c)}

    wanted = 3  # reserved, confirmed, released; what follows is answered as before, or not at all
    told = await eventually(
        replies,
        timeout_s=40,
        interval_s=0.3,
        accept=lambda all_: all(len(r) >= wanted for r in all_.values()),
    )
    await eventually(lambda: none_parked(chaos), timeout_s=20)
    told = await replies()
    assert [state_of(r) for r in told[a]][:wanted] == ["reserved", "confirmed", "released"]
    assert [state_of(r) for r in told[a]] == [state_of(r) for r in told[c]] == [state_of(r) for r in told[b]]
    assert await worker.metric(series) == before + failures
    if failures > IN_PLACE_MAX:
        assert told[b][wanted - 1].appended_ms <= told[a][0].appended_ms, "B did not wait for A"
    await chaos.proven()


def five_commands(order_id: str, tenant: str, sku: str) -> list[Record]:
    """Reserve, confirm, release, and two that come too late to change anything."""
    expires = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    shapes: list[tuple[str, Json]] = [
        ("reservation", {"lines": [{"sku": sku, "quantity": 1}], "expires_at": expires}),
        ("confirmation", {}),
        ("release", {}),
        ("confirmation", {}),
        ("release", {}),
    ]
    steps = {"reservation": "reserve", "confirmation": "confirm", "release": "release"}
    return [
        Record(
            REQUESTS,
            order_id.encode(),
            json.dumps(
                {"order_id": order_id, "tenant_id": tenant, "request_id": f"{order_id}:{steps[name]}", **more}
            ).encode(),
            headers_of(f"orders.stock-{name}-requested.v1", number),
        )
        for number, (name, more) in enumerate(shapes, start=1)
    ]


def state_of(record: Found) -> str:
    return str(json.loads(record.value or b"{}")["state"])


async def none_parked(chaos: Chaos) -> bool:
    return not await chaos.stack.fetch("inventory", "SELECT FROM parked_messages")
