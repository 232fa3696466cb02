"""An order, what is in it, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What a client waits for: pending, then one of the others for good."""

    PENDING = "pending"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Line:
    """Name and price (minor units, of one) are those of the moment the order was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class Notify:
    """Where the customer wants to hear of the end; without an address, the tenant's default."""

    email: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """What a client asks for; the catalogue makes a line of it."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order as it is asked for, before it has prices."""

    customer_id: str
    currency: str
    payment_method: str
    items: tuple[Item, ...]
    notify: Notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`amount` in minor units of `currency`; `step` is the last status of the timeline, row `version`."""

    id: str
    tenant_id: str
    customer_id: str
    currency: str
    payment_method: str
    amount: int
    lines: tuple[Line, ...]
    notify: Notify
    status: Status
    step: str
    reason: str | None
    version: int
    cancel_requested_at: datetime | None
    traceparent: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def finished(self) -> bool:
        return self.status is not Status.PENDING


def new_order(
    draft: Draft,
    lines: tuple[Line, ...],
    *,
    order_id: str,
    tenant_id: str,
    traceparent: str | None,
    at: datetime,
) -> Order:
    return Order(
        id=order_id,
        tenant_id=tenant_id,
        customer_id=draft.customer_id,
        currency=draft.currency,
        payment_method=draft.payment_method,
        amount=amount_of(lines),
        lines=lines,
        notify=draft.notify,
        status=Status.PENDING,
        step=Status.PENDING,
        reason=None,
        version=1,
        cancel_requested_at=None,
        traceparent=traceparent,
        created_at=at,
        updated_at=at,
        finished_at=None,
    )


def amount_of(lines: Sequence[Line]) -> int:
    return sum(line.quantity * line.unit_price for line in lines)
