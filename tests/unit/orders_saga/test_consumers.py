"""What orders reads of the events of others, and what it lets pass."""

from typing import Any

import msgspec
import pytest
from chassis.kafka import Message
from chassis.records import cloudevent_headers
from chassis.retry import Poison
from orders.consumers import GROUP, TYPES, OurEvents, fact_of
from orders.domain import facts
from orders.usecases.saga import Change

INTENT = "payments.payment-intent-changed.v1"
REFUND = "payments.refund-changed.v1"
ORDER = "ord_01vQ3Zt5sLJ9XW0bC2dE4f"
EVENTS = OurEvents(consumer=GROUP, types=TYPES)


def message(event_type: str, data: Any) -> Message:
    headers = cloudevent_headers(event_id="e1", source="/x", event_type=event_type)
    value = data if isinstance(data, bytes) else msgspec.json.encode(data)
    return Message("topic", 0, 1, b"key", value, tuple(headers))


def read(event_type: str, data: Any) -> Change | None:
    incoming = EVENTS.read(message(event_type, data))
    return None if incoming is None else fact_of(incoming)


def intent(change: str, **more: Any) -> dict[str, Any]:
    return {"change": change, "id": "pi_1", "metadata": {"order_id": ORDER, "x": "y"}, **more}


def refund(status: str, **more: Any) -> dict[str, Any]:
    return {
        "change": "refund.updated",
        "id": "re_1",
        "status": status,
        "payment_intent": "pi_1",
        "metadata": {"order_id": ORDER},
        **more,
    }


@pytest.mark.parametrize(
    ("event_type", "fact"),
    [
        ("inventory.stock-reserved.v1", facts.StockReserved()),
        ("inventory.stock-refused.v1", facts.StockRefused()),
        ("inventory.stock-confirmed.v1", facts.StockConfirmed()),
        ("inventory.stock-released.v1", facts.StockReleased()),
        ("inventory.reservation-expired.v1", facts.ReservationExpired()),
    ],
)
def test_the_type_of_inventorys_answer_says_it_all(event_type: str, fact: facts.Fact) -> None:
    assert read(event_type, {"order_id": "ord_1", "version": 3, "new": [1]}) == Change("ord_1", fact)


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (intent("payment_intent.amount_capturable_updated"), facts.PaymentAuthorised("pi_1")),
        (intent("payment_intent.succeeded"), facts.PaymentCaptured()),
        (intent("payment_intent.canceled"), facts.PaymentVoided()),
        (
            intent("payment_intent.payment_failed", error={"code": "card_declined", "decline_code": "lost"}),
            facts.PaymentDeclined("lost", "pi_1"),
        ),
        (
            intent("payment_intent.payment_failed", error={"code": "card_declined", "decline_code": None}),
            facts.PaymentDeclined("card_declined", "pi_1"),
        ),
    ],
)
def test_an_event_of_our_payment_names_its_intent(data: dict[str, Any], fact: facts.Fact) -> None:
    assert read(INTENT, data) == Change(ORDER, fact, intent_id="pi_1")


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (refund("succeeded"), facts.Refunded("re_1")),
        (refund("failed", failure_reason="lost_card"), facts.RefundFailed("lost_card", "re_1")),
        (refund("canceled", failure_reason=None), facts.RefundFailed("canceled", "re_1")),
    ],
)
def test_an_event_of_our_refund_names_the_intent_it_is_of(data: dict[str, Any], fact: facts.Fact) -> None:
    assert read(REFUND, data) == Change(ORDER, fact, intent_id="pi_1")


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        (INTENT, intent("payment_intent.created")),
        (INTENT, intent("payment_intent.processing")),
        (INTENT, intent("payment_intent.of_next_year")),
        (INTENT, intent("payment_intent.succeeded") | {"metadata": {}}),
        (INTENT, {"change": "payment_intent.succeeded", "id": "pi_1"}),
        (INTENT, intent("payment_intent.succeeded") | {"metadata": {"order_id": "\u0000"}}),
        (REFUND, refund("pending")),
        (REFUND, refund("succeeded") | {"metadata": {"invoice": "7"}}),
    ],
)
def test_what_is_not_ours_or_decides_nothing_leaves_no_trace(event_type: str, data: dict[str, Any]) -> None:
    assert EVENTS.read(message(event_type, data)) is None


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("inventory.stock-reserved.v2", {"order_id": "ord_1"}),
        ("inventory.stock-reserved.v1", {"order": "ord_1"}),
        ("inventory.stock-reserved.v1", b"\xff"),
        (INTENT, b"[]"),
    ],
)
def test_what_cannot_be_read_is_poison(event_type: str, data: Any) -> None:
    with pytest.raises(Poison):
        EVENTS.read(message(event_type, data))
