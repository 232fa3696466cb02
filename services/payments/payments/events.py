"""What leaves on Kafka: CloudEvents in binary mode, their schemas in docs/reference/events.

Two topics, both keyed by the payment intent, so that an intent's changes and its refunds each keep their
order. Charges have none: whatever a charge event tells, its intent's or its refund's event tells too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from chassis.outbox import Event

INTENT_CHANGED: Final = "payments.payment-intent-changed.v1"
REFUND_CHANGED: Final = "payments.refund-changed.v1"


def leaves(type: str) -> bool:  # noqa: A002 - Stripe's own word
    """Whether events of this type leave on Kafka."""
    return type.startswith(("payment_intent.", "refund."))


def of(
    event_id: str,
    account_id: str,
    type: str,  # noqa: A002
    obj: Mapping[str, Any],
    at: datetime,
    version: int | None,
) -> Event | None:
    """The Kafka event of an API event; None for a type that stays inside. `obj` is the rendered object.

    It shares the API event's id, so that whoever reads both can tell that they are one.
    """
    if not leaves(type):
        return None
    if type.startswith("refund."):
        topic, key, data = REFUND_CHANGED, _id_of(obj["payment_intent"]) or obj["id"], _refund(obj)
    else:
        topic, key, data = INTENT_CHANGED, obj["id"], _intent(obj)
    return Event(
        type=topic,
        key=key,
        data={"change": type, "account": account_id, **data, "version": version},
        subject=obj["id"],
        sequence=version,
        id=event_id,
        time=at,
    )


def _intent(intent: Mapping[str, Any]) -> dict[str, Any]:
    error = intent.get("last_payment_error")
    return {
        "id": intent["id"],
        "status": intent["status"],
        "amount": intent["amount"],
        "amount_received": intent["amount_received"],
        "currency": intent["currency"],
        "customer": _id_of(intent.get("customer")),
        "metadata": intent["metadata"],
        "latest_charge": _id_of(intent.get("latest_charge")),
        "error": error and {name: error.get(name) for name in ("type", "code", "decline_code", "message")},
    }


def _refund(refund: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": refund["id"],
        "status": refund["status"],
        "amount": refund["amount"],
        "currency": refund["currency"],
        "payment_intent": _id_of(refund["payment_intent"]),
        "charge": _id_of(refund["charge"]),
        "metadata": refund["metadata"],
        "failure_reason": refund.get("failure_reason"),
    }


def _id_of(reference: Any) -> str | None:
    """A reference may have been expanded for the answer that the snapshot was taken from."""
    found: str | None = reference["id"] if isinstance(reference, Mapping) else reference
    return found
