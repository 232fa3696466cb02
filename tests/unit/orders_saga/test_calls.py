"""What each answer of payments means to each step."""

from datetime import UTC, datetime
from typing import Any

import pytest
from orders.domain import facts
from orders.domain.calls import Answer, Call, Intent, Operation, Refund, Refused, Unknown, facts_of

LATER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "answer", "learnt"),
    [
        (Operation.AUTHORISE, Intent("pi", "requires_capture"), facts.PaymentAuthorised("pi")),
        (Operation.AUTHORISE, Intent("pi", "succeeded"), facts.PaymentAuthorised("pi")),
        (Operation.AUTHORISE, Intent("pi", "processing"), facts.PaymentPending("pi", LATER)),
        (Operation.AUTHORISE, Intent("pi", "canceled"), facts.PaymentVoided()),
        (
            Operation.AUTHORISE,
            Intent("pi", "requires_action"),
            facts.PaymentDeclined("authentication_required", "pi", open=True),
        ),
        (
            Operation.AUTHORISE,
            Intent("pi", "requires_payment_method", "lost_card"),
            facts.PaymentDeclined("lost_card", "pi"),
        ),
        (Operation.AUTHORISE, Refused("lost_card", "pi"), facts.PaymentDeclined("lost_card", "pi")),
        (Operation.CAPTURE, Intent("pi", "succeeded"), facts.PaymentCaptured()),
        (Operation.CAPTURE, Intent("pi", "processing"), facts.PaymentPending("pi", LATER)),
        (Operation.CAPTURE, Intent("pi", "canceled"), facts.CaptureRefused("canceled")),
        (Operation.CAPTURE, Intent("pi", "requires_capture"), facts.CaptureRefused("requires_capture")),
        (Operation.CAPTURE, Refused("expired_card"), facts.CaptureRefused("expired_card")),
        (Operation.VOID, Intent("pi", "canceled"), facts.PaymentVoided()),
        (Operation.VOID, Intent("pi", "succeeded"), facts.PaymentCaptured()),
        (Operation.VOID, Intent("pi", "requires_capture"), facts.VoidRefused("requires_capture", LATER)),
        (Operation.VOID, Refused("charge_expired_for_capture"), facts.PaymentVoided()),
        (Operation.VOID, Refused("lock_timeout"), facts.VoidRefused("lock_timeout", LATER)),
        (Operation.REFUND, Refused("charge_already_refunded"), facts.Refunded()),
        (Operation.REFUND, Refused("charge_disputed"), facts.RefundFailed("charge_disputed")),
        (Operation.VOID, Unknown("TimeoutError"), facts.PaymentUnknown("TimeoutError", LATER)),
    ],
)
def test_an_answer_means_one_thing(operation: Operation, answer: Answer, learnt: facts.Fact) -> None:
    assert facts_of(operation, answer, LATER) == (learnt,)


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("succeeded", (facts.Refunded("re"),)),
        ("failed", (facts.RefundFailed("lost_card", "re"),)),
        ("canceled", (facts.RefundFailed("lost_card", "re"),)),
        ("pending", ()),
        ("requires_action", ()),
    ],
)
def test_a_refund_is_known_before_its_end_is(status: str, end: tuple[facts.Fact, ...]) -> None:
    known = facts.RefundPending("re", LATER)
    assert facts_of(Operation.REFUND, Refund("re", status, "lost_card"), LATER) == (known, *end)


def test_the_key_of_a_step_is_the_same_until_the_step_begins_anew() -> None:
    fields: dict[str, Any] = {
        "order_id": "ord_1",
        "tenant_id": "acme",
        "operation": Operation.REFUND,
        "polling": False,
        "payment_intent_id": None,
        "refund_id": None,
        "amount": 1,
        "currency": "eur",
        "payment_method": "pm",
        "traceparent": None,
    }
    first = Call(**fields, attempts=1, round=0, fencing=1)
    assert first.key == "ord_1:refund"
    assert Call(**fields, attempts=9, round=0, fencing=7).key == first.key
    assert Call(**fields, attempts=1, round=1, fencing=1).key == "ord_1:refund:1"
