"""One order is one trace: HTTP, outbox, Kafka, payments, bank and mail, and through failures too."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.orders.conftest import Chaos
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.kafka_topics import Found
from tests.support.orders_stack import Json

COMPLETED = "orders.order-completed.v1"
ROAD = {
    "orders",
    "orders-worker",
    "inventory-worker",
    "payments",
    "bank",
    "notifications-worker",
    "shortener",
}
TOPICS = ("orders.order-changed.v1", "orders.stock-requested.v1", "inventory.reservation-changed.v1")
CHANGES_DLQ, BACK, TIER = (
    "orders.order-changed.v1.dlq",
    "notifications.retry.redrive",
    "notifications.retry.5s",
)


def sampled() -> tuple[str, str]:
    """A new trace id, and the header of a caller who samples it."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


def spans_in(folder: Path) -> Iterator[Json]:
    """Every span of every process, with the name of its service."""
    for file in folder.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                names = {a["key"]: a["value"] for a in resource["resource"]["attributes"]}
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        yield {**span, "service": names["service.name"]["stringValue"]}


def spans_of(folder: Path, trace_id: str) -> list[Json]:
    return [span for span in spans_in(folder) if span["traceId"] == trace_id]


async def records_of(chaos: Chaos, order_id: str, *topics: str) -> list[Found]:
    records = await kafka_topics.read(chaos.stack.kafka, topics)
    return [record for record in records if record.key == order_id.encode()]


async def test_one_trace_spans_the_whole_road_of_an_order(chaos: Chaos) -> None:
    trace_id, traceparent = sampled()
    order = await chaos.shop.place(chaos.basket.skus[0], traceparent=traceparent)
    await chaos.proven()
    folder = chaos.stack.traces
    spans = await eventually(
        lambda: spans_of(folder, trace_id),
        timeout_s=30,
        interval_s=0.3,
        accept=lambda found: {span["service"] for span in found} >= ROAD,
    )
    known = {span["spanId"] for span in spans} | {traceparent.split("-")[2]}
    lost = [(s["service"], s["name"]) for s in spans if s["parentSpanId"] not in known]
    assert not lost, "every span hangs on another of the same trace"
    records = await records_of(chaos, order["id"], *TOPICS)
    assert {record.topic for record in records} == set(TOPICS)
    assert {record.trace_id for record in records} == {trace_id}


async def test_the_trace_goes_on_through_a_retry_the_dead_letters_and_a_redrive(chaos: Chaos) -> None:
    stack = chaos.stack
    trace_id, traceparent = sampled()
    # One failure that passes is answered by the first tier; what comes back from it fails for good.
    await stack.fault("notifications", COMPLETED, "transient", count=1)
    order = await chaos.shop.place(chaos.basket.skus[0], traceparent=traceparent)
    await eventually(lambda: records_of(chaos, order["id"], TIER), timeout_s=30, interval_s=0.3)
    await stack.fault("notifications", COMPLETED, "permanent", key=order["id"])
    [letter] = await eventually(
        lambda: stack.dead_letters(key=order["id"], group="notifications"), timeout_s=30, interval_s=0.3
    )
    assert letter["trace_id"] == trace_id
    await stack.clear_faults()
    before = processed(chaos, trace_id)
    run = await stack.redrive(filter={"key": order["id"]})
    assert run["done"] == 1
    await chaos.proven()
    for topic in (TIER, CHANGES_DLQ, BACK):
        [record] = await records_of(chaos, order["id"], topic)
        assert record.trace_id == trace_id, topic
    await eventually(lambda: processed(chaos, trace_id), timeout_s=20, accept=lambda count: count > before)


def processed(chaos: Chaos, trace_id: str) -> int:
    """How often notifications took up a message of this trace."""
    spans = spans_of(chaos.stack.traces, trace_id)
    return len(
        [s for s in spans if s["service"] == "notifications-worker" and s["name"].startswith("process")]
    )
