"""What leaves and what comes in: the same event for the same answer, tolerant of what it does not know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from chassis.kafka import Handlers, Message
from chassis.records import cloudevent_attributes, cloudevent_headers
from chassis.retry import Poison
from inventory import events
from inventory.consumers import GROUP, TYPES, command_of
from inventory.domain.allocation import allocate
from inventory.domain.reservations import Command, Confirm, Line, Release, Reserve, State

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
IDS = {"order_id": "ord_1", "tenant_id": "acme"}
RESERVE = "orders.stock-reservation-requested.v1"
CONFIRM = "orders.stock-confirmation-requested.v1"
RELEASE = "orders.stock-release-requested.v1"


def message(event_type: str, data: Any, **more: Any) -> Message:
    headers = cloudevent_headers(event_id="e1", source="/orders", event_type=event_type, traceparent=TRACE)
    value = data if isinstance(data, bytes) or data is None else msgspec.json.encode(data)
    return Message(events.STOCK_REQUESTED, 0, 7, b"ord_1", value, tuple(headers), **more)


def read(event_type: str, data: Any) -> Command:
    incoming = Handlers(consumer=GROUP, types=TYPES).read(message(event_type, data))
    assert incoming is not None
    return command_of(incoming)


def wanted(**changed: Any) -> dict[str, Any]:
    return {
        **IDS,
        "request_id": "ord_1:reserve",
        "lines": [{"sku": "lamp", "quantity": 2}, {"sku": "shade", "quantity": 1}],
        "expires_at": "2026-11-21T09:15:00Z",
        **changed,
    }


def test_a_reservation_is_read_with_its_trace_and_without_what_it_does_not_know() -> None:
    assert read(RESERVE, wanted(colour="red")) == Reserve(
        order_id="ord_1",
        tenant_id="acme",
        request_id="ord_1:reserve",
        traceparent=TRACE,
        lines=(Line("lamp", 2), Line("shade", 1)),
        expires_at=AT + timedelta(minutes=15),
    )


def test_a_sku_on_two_lines_is_one_demand() -> None:
    lines = [{"sku": "lamp", "quantity": 2}, {"sku": "lamp", "quantity": 3}]
    command = read(RESERVE, wanted(lines=lines))
    assert isinstance(command, Reserve)
    assert command.lines == (Line("lamp", 5),)


def test_confirmations_and_releases_are_told_apart() -> None:
    confirmed = read(CONFIRM, {**IDS, "request_id": "ord_1:confirm"})
    released = read(RELEASE, {**IDS, "request_id": "ord_1:release"})
    assert (type(confirmed), type(released)) == (Confirm, Release)


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        (RESERVE, None),
        (RESERVE, b"\xff\xfe"),
        (RESERVE, wanted(lines=[])),
        (RESERVE, wanted(lines=[{"sku": "lamp", "quantity": 0}])),
        (RESERVE, wanted(lines=[{"sku": "", "quantity": 1}])),
        (RESERVE, wanted(expires_at="2026-11-21T09:15:00")),
        (CONFIRM, IDS),
        ("orders.stock-requested.v2", wanted()),
    ],
)
def test_what_cannot_be_read_is_poison(event_type: str, data: Any) -> None:
    with pytest.raises(Poison):
        read(event_type, data)


def test_an_answer_is_one_event_however_often_it_is_given() -> None:
    command = read(RESERVE, wanted())
    made = allocate([command, command], {}, {}, AT)
    first, again = (events.of(one, traceparent=TRACE).record() for one in made.answers)
    assert first == again
    assert (first.topic, first.key) == (events.RESERVATION_CHANGED, b"ord_1")


def test_each_version_is_an_event_of_its_own() -> None:
    ids = {events.event_id(order, version) for order in ("ord_1", "ord_2") for version in (1, 2, 3)}
    assert len(ids) == 6
    assert events.event_id("ord_1", 1) == events.event_id("ord_1", 1)


def test_an_event_tells_what_was_decided_and_why() -> None:
    made = allocate([read(RESERVE, wanted())], {}, {}, AT)
    record = events.of(made.answers[0], traceparent=TRACE).record()
    attributes = cloudevent_attributes(record.headers)
    assert (attributes["type"], attributes["sequence"]) == ("inventory.stock-refused.v1", "1")
    assert (attributes["source"], attributes["subject"]) == ("/inventory", "ord_1")
    assert ("traceparent", TRACE.encode()) in record.headers
    assert msgspec.json.decode(record.value or b"") == {
        **IDS,
        "request_id": "ord_1:reserve",
        "state": "refused",
        "reason": "out_of_stock",
        "short": [
            {"sku": "lamp", "requested": 2, "available": 0},
            {"sku": "shade", "requested": 1, "available": 0},
        ],
        "version": 1,
    }


def test_every_state_has_its_event() -> None:
    assert set(events.TYPES) == set(State)
