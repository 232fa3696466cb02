"""What orders consumes: the answers of inventory, and what payments tells of the money of our orders."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec
from chassis.kafka import ConsumerLimits, ConsumerLoop, Handlers, Incoming, Message
from chassis.kafka.faults import Faults
from chassis.postgres import Connection, Pool

from orders.domain import facts
from orders.domain.facts import Fact, StockFact
from orders.domain.ids import is_order_id
from orders.settings import OrdersSettings
from orders.usecases.saga import Change, Moved, apply_events, terms_of

GROUP: Final = "orders"
RESERVATION_CHANGED: Final = "inventory.reservation-changed.v1"
INTENT_CHANGED: Final = "payments.payment-intent-changed.v1"
REFUND_CHANGED: Final = "payments.refund-changed.v1"
# All of a fetch is one transaction with its rows locked: enough to be cheap, little enough to be short.
LIMITS: Final = ConsumerLimits(fetch_records_max=500, poll_s=0.1)


class ReservationChanged(msgspec.Struct):
    """Its type says what happened; `request_id` which command it answers."""

    order_id: str
    request_id: str | None = None


class Named(msgspec.Struct):
    """What we wrote on the payment; others write what they like."""

    order_id: str | None = None


class Failure(msgspec.Struct):
    code: str | None = None
    decline_code: str | None = None


class IntentChanged(msgspec.Struct):
    change: str
    id: str
    metadata: Named = msgspec.field(default_factory=Named)
    error: Failure | None = None


class RefundChanged(msgspec.Struct):
    id: str
    status: str
    payment_intent: str | None = None
    metadata: Named = msgspec.field(default_factory=Named)
    failure_reason: str | None = None


_STOCK: Final[Mapping[str, StockFact]] = MappingProxyType(
    {
        "inventory.stock-reserved.v1": facts.StockReserved(),
        "inventory.stock-refused.v1": facts.StockRefused(),
        "inventory.stock-confirmed.v1": facts.StockConfirmed(),
        "inventory.stock-released.v1": facts.StockReleased(),
        "inventory.reservation-expired.v1": facts.ReservationExpired(),
    }
)
TYPES: Final[Mapping[str, type[msgspec.Struct]]] = MappingProxyType(
    {
        **dict.fromkeys(_STOCK, ReservationChanged),
        INTENT_CHANGED: IntentChanged,
        REFUND_CHANGED: RefundChanged,
    }
)


class OurEvents(Handlers):
    """Payments tells of everybody's money on one topic: what is not ours leaves no trace in the inbox."""

    def read(self, message: Message) -> Incoming | None:
        incoming = super().read(message)
        return incoming if incoming is None or fact_of(incoming) is not None else None


def orders_consumer(
    settings: OrdersSettings,
    pool: Pool,
    *,
    faults: Faults | None = None,
    told: Callable[[Moved], None] = lambda _moved: None,
) -> ConsumerLoop:
    """`told` is called after each commit with what the batch has done."""
    terms = terms_of(settings)
    done = Moved()

    async def handle(conn: Connection, incoming: list[Incoming]) -> None:
        changes = [change for one in incoming if (change := fact_of(one)) is not None]
        moved = await apply_events(conn, changes, datetime.now(UTC), terms)
        done.add(moved)

    def applied() -> None:
        nonlocal done
        committed, done = done, Moved()
        committed.count()
        told(committed)

    return ConsumerLoop(
        settings,
        group=GROUP,
        topics=[RESERVATION_CHANGED, INTENT_CHANGED, REFUND_CHANGED],
        apply=OurEvents(consumer=GROUP, types=TYPES, faults=faults).apply(handle),
        pool=pool,
        redrive=True,
        limits=LIMITS,
        applied=applied,
    )


def fact_of(incoming: Incoming) -> Change | None:
    """None for an event that decides nothing, or is not of our orders."""
    event = incoming.event
    if isinstance(event, ReservationChanged):
        return Change(event.order_id, _STOCK[incoming.message.event_type or ""])
    order_id = event.metadata.order_id
    if isinstance(event, RefundChanged):
        fact, intent_id = _refund(event), event.payment_intent
    else:
        fact, intent_id = _intent(event), event.id
    if fact is None or order_id is None or not is_order_id(order_id):
        return None
    return Change(order_id, fact, intent_id=intent_id)


def _intent(event: IntentChanged) -> Fact | None:
    match event.change:
        case "payment_intent.amount_capturable_updated":
            return facts.PaymentAuthorised(event.id)
        case "payment_intent.payment_failed":
            error = event.error or Failure()
            return facts.PaymentDeclined(error.decline_code or error.code or "payment_failed", event.id)
        case "payment_intent.succeeded":
            return facts.PaymentCaptured()
        case "payment_intent.canceled":
            return facts.PaymentVoided()
        case _:
            return None


def _refund(event: RefundChanged) -> Fact | None:
    match event.status:
        case "succeeded":
            return facts.Refunded(event.id)
        case "failed" | "canceled":
            return facts.RefundFailed(event.failure_reason or event.status, event.id)
        case _:
            return None
