"""Whatever a service writes keeps to the schema of its type, and its headers to CloudEvents."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from chassis import dlq
from chassis.outbox import Event
from chassis.records import Message, cloudevent_attributes
from hypothesis import given
from hypothesis import strategies as st
from inventory import events as stock_events
from inventory.domain.reservations import Confirm, Expire, Line, Reason, Release, Reservation, Reserve, Short
from inventory.domain.reservations import State as StockState
from orders import events as order_events
from orders.domain import orders
from orders.domain.ids import new_order_id
from orders.domain.orders import Draft, Item, Notify, Order
from orders.domain.saga import Command
from orders.domain.timeline import ENDS, Step, begun, moved

from tests.support import event_schemas

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

lines_of_orders = st.builds(
    orders.Line,
    sku=st.text(min_size=1, max_size=20),
    name=st.text(min_size=1, max_size=20),
    quantity=st.integers(1, 1_000),
    unit_price=st.integers(1, 99_999_999),
)
notifies = st.builds(
    Notify, email=st.none() | st.emails(), webhook_url=st.none() | st.just("https://x.test/")
)


@st.composite
def new_orders(draw: st.DrawFn) -> Order:
    lines = tuple(draw(st.lists(lines_of_orders, min_size=1, max_size=3)))
    draft = Draft(
        customer_id=draw(st.text(min_size=1, max_size=10)),
        currency="usd",
        payment_method="pm_card_visa",
        items=tuple(Item(line.sku, line.quantity) for line in lines),
        notify=draw(notifies),
    )
    return orders.new_order(
        draft, lines, order_id=new_order_id(), tenant_id="one", traceparent=TRACEPARENT, at=AT
    )


def checked(event: Event) -> dict[str, object]:
    """The attributes of its record, once they and the data are known to be sound."""
    record = event.record()
    attributes = cloudevent_attributes(record.headers)
    data = json.loads(record.value or b"")
    event_schemas.check(attributes["type"], data)
    assert attributes["specversion"] == "1.0"
    assert {"id", "source", "time"} <= attributes.keys()
    assert attributes["source"] == "/" + record.topic.split(".")[0]
    assert dict(record.headers)["content-type"] == b"application/json"
    assert dict(record.headers)["traceparent"] == TRACEPARENT.encode()
    if "version" in data and "order_id" in data:
        assert attributes["sequence"] == str(data["version"])
    return {"topic": record.topic, "key": record.key, **attributes, "data": data}


@given(order=new_orders(), steps=st.lists(st.sampled_from([*Step][1:7])), end=st.sampled_from([*ENDS]))
def test_every_step_of_every_order_is_told_as_the_schemas_say(
    order: Order, steps: list[Step], end: Step
) -> None:
    first = begun(order)
    told = [checked(order_events.order_changed(order, first))]
    assert told[0]["id"] == str(first.event_id)
    for number, step in enumerate([*steps, end], start=2):
        reason = "out_of_stock" if step in {Step.COMPENSATING, Step.REJECTED} else None
        if end is Step.COMPLETED:
            reason = None
        order, entry = moved(order, step, AT + timedelta(seconds=number), reason=reason)
        told.append(checked(order_events.order_changed(order, entry)))
    assert [one["sequence"] for one in told] == [str(number) for number in range(1, len(told) + 1)]
    assert {(one["topic"], one["key"], one["subject"]) for one in told} == {
        (order_events.ORDER_CHANGED, order.id.encode(), order.id)
    }
    assert told[0]["type"] == "orders.order-placed.v1"
    assert {one["type"] for one in told[1:-1]} <= {"orders.order-advanced.v1"}
    assert told[-1]["type"] == f"orders.order-{end}.v1"


@given(order=new_orders(), command=st.sampled_from([*Command]))
def test_every_command_to_inventory_is_sent_as_the_schemas_say(order: Order, command: Command) -> None:
    expires_at = AT + timedelta(minutes=15) if command is Command.RESERVE else None
    told = checked(order_events.stock_requested(order, command, expires_at=expires_at))
    assert (told["topic"], told["key"]) == (order_events.STOCK_REQUESTED, order.id.encode())
    assert told["sequence"] == str(order.version)


def reservations() -> Iterator[Reservation]:
    """One in every state, as its commands and time leave it."""
    common = {"order_id": "ord_1", "tenant_id": "one", "traceparent": TRACEPARENT}
    reserve = Reserve(
        **common,
        request_id="ord_1:reserve",
        lines=(Line("mug", 2),),
        expires_at=AT,
    )
    confirm = Confirm(**common, request_id="ord_1:confirm")
    release = Release(**common, request_id="ord_1:release")
    expire = Expire(**common, request_id=None)
    untold = Reservation.untold(reserve, AT)
    held = untold.told(StockState.RESERVED, reserve, AT)
    yield held
    yield held.told(StockState.CONFIRMED, confirm, AT)
    yield held.told(StockState.RELEASED, release, AT)
    expired = held.told(StockState.EXPIRED, expire, AT)
    yield expired
    yield untold.refused(reserve, AT, Reason.OUT_OF_STOCK, (Short("mug", 2, 1),))
    yield expired.refused(confirm, AT, Reason.EXPIRED)
    yield held.told(StockState.RELEASED, release, AT).refused(confirm, AT, Reason.RELEASED)


@pytest.mark.parametrize("reservation", list(reservations()), ids=lambda r: f"{r.state}-{r.version}")
def test_every_answer_of_inventory_is_told_as_the_schemas_say(reservation: Reservation) -> None:
    told = checked(stock_events.of(reservation, traceparent=TRACEPARENT))
    assert (told["topic"], told["key"]) == (stock_events.RESERVATION_CHANGED, b"ord_1")
    assert checked(stock_events.of(reservation, traceparent=TRACEPARENT)) == told


def test_what_a_group_tells_of_a_redriven_message_keeps_to_its_schema() -> None:
    message = Message(
        topic="inventory.retry.redrive",
        partition=0,
        offset=9,
        key=b"ord_1",
        value=b"{}",
        headers=(
            ("origin-topic", b"orders.stock-requested.v1"),
            ("origin-partition", b"3"),
            ("origin-offset", b"1742"),
            ("dlq-redrives", b"2"),
            ("traceparent", TRACEPARENT.encode()),
        ),
    )
    record = dlq._resolved("inventory", message).record()
    attributes = cloudevent_attributes(record.headers)
    data = json.loads(record.value or b"")
    event_schemas.check(attributes["type"], data)
    assert (record.topic, record.key) == (dlq.RESOLVED_TOPIC, b"inventory/orders.stock-requested.v1/3/1742")
    assert data == {
        "group": "inventory",
        "topic": "orders.stock-requested.v1",
        "partition": 3,
        "offset": 1742,
        "redrives": 2,
    }
    assert dict(record.headers)["traceparent"] == TRACEPARENT.encode()


def test_every_type_that_is_published_is_written_by_somebody() -> None:
    written = {
        *order_events._TYPES.values(),
        order_events.ORDER_ADVANCED,
        *order_events.COMMAND_TYPES.values(),
        *stock_events.TYPES.values(),
        dlq.RESOLVED_TOPIC,
    }
    elsewhere = {name for name in event_schemas.names() if name.startswith(("payments.", "shortener."))}
    assert written | elsewhere == set(event_schemas.names())
