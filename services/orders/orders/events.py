"""What leaves on Kafka: CloudEvents in binary mode, their schemas in docs/reference/events.

Two topics, both keyed by the order: what became of it, and what is asked of inventory. Each event carries the
trace of the request that placed the order, whoever writes it.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from chassis.outbox import Event

from orders.domain.orders import Order
from orders.domain.saga import Command
from orders.domain.timeline import Entry, Step

ORDER_CHANGED: Final = "orders.order-changed.v1"
STOCK_REQUESTED: Final = "orders.stock-requested.v1"

ORDER_PLACED: Final = "orders.order-placed.v1"
ORDER_ADVANCED: Final = "orders.order-advanced.v1"
ORDER_COMPLETED: Final = "orders.order-completed.v1"
ORDER_REJECTED: Final = "orders.order-rejected.v1"
ORDER_CANCELLED: Final = "orders.order-cancelled.v1"

# Every other step is an advance.
_TYPES: Final[Mapping[Step, str]] = MappingProxyType(
    {
        Step.PENDING: ORDER_PLACED,
        Step.COMPLETED: ORDER_COMPLETED,
        Step.REJECTED: ORDER_REJECTED,
        Step.CANCELLED: ORDER_CANCELLED,
    }
)
COMMAND_TYPES: Final[Mapping[Command, str]] = MappingProxyType(
    {
        Command.RESERVE: "orders.stock-reservation-requested.v1",
        Command.CONFIRM: "orders.stock-confirmation-requested.v1",
        Command.RELEASE: "orders.stock-release-requested.v1",
    }
)


def order_changed(order: Order, entry: Entry) -> Event:
    """The event of a row of the timeline, under the row's id; `order` as of that row."""
    return Event(
        type=_TYPES.get(entry.status, ORDER_ADVANCED),
        topic=ORDER_CHANGED,
        key=order.id,
        subject=order.id,
        sequence=entry.version,
        id=str(entry.event_id),
        time=entry.at,
        traceparent=order.traceparent,
        data={
            "order_id": order.id,
            "tenant_id": order.tenant_id,
            "customer_id": order.customer_id,
            "status": order.status,
            "step": entry.status,
            "reason": order.reason,
            "currency": order.currency,
            "amount": order.amount,
            "lines": order.lines,
            "notify": order.notify,
            "version": entry.version,
            "at": entry.at,
        },
    )


def stock_requested(order: Order, command: Command, *, expires_at: datetime | None = None) -> Event:
    """Ask inventory for something; `expires_at` is of a reservation.

    A command that is sent again carries the same request id, and inventory gives the same answer.
    """
    data: dict[str, Any] = {
        "order_id": order.id,
        "tenant_id": order.tenant_id,
        "request_id": f"{order.id}:{command}",
    }
    if command is Command.RESERVE:
        data["lines"] = [{"sku": line.sku, "quantity": line.quantity} for line in order.lines]
        data["expires_at"] = expires_at
    return Event(
        type=COMMAND_TYPES[command],
        topic=STOCK_REQUESTED,
        key=order.id,
        subject=order.id,
        sequence=order.version,
        traceparent=order.traceparent,
        data=data,
    )
