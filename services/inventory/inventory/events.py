"""What inventory tells on Kafka: one topic keyed by order, an event a version of a reservation."""

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chassis.outbox import Event

from inventory.domain.reservations import Reservation, State

RESERVATION_CHANGED: Final = "inventory.reservation-changed.v1"
STOCK_REQUESTED: Final = "orders.stock-requested.v1"

TYPES: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.RESERVED: "inventory.stock-reserved.v1",
        State.REFUSED: "inventory.stock-refused.v1",
        State.CONFIRMED: "inventory.stock-confirmed.v1",
        State.RELEASED: "inventory.stock-released.v1",
        State.EXPIRED: "inventory.reservation-expired.v1",
    }
)
_NAMES: Final = uuid.UUID("6f0a3c52-8f5e-5d0b-9a53-0d1f5c9e7b21")


def event_id(order_id: str, version: int) -> str:
    """The same for ever: whoever asks twice is told twice, and can see that it was one event."""
    return str(uuid.uuid5(_NAMES, f"{order_id}/{version}"))


def of(reservation: Reservation, *, traceparent: str | None = None) -> Event:
    """The event of the reservation's last change; built again, it is the same event."""
    return Event(
        id=event_id(reservation.order_id, reservation.version),
        type=TYPES[reservation.state],
        topic=RESERVATION_CHANGED,
        source="/inventory",
        key=reservation.order_id,
        subject=reservation.order_id,
        sequence=reservation.version,
        time=reservation.changed_at,
        traceparent=traceparent,
        data={
            "order_id": reservation.order_id,
            "tenant_id": reservation.tenant_id,
            "request_id": reservation.request_id,
            "state": reservation.state,
            "reason": reservation.reason,
            "short": reservation.short,
            "version": reservation.version,
        },
    )
