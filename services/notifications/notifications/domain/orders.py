"""What this service reads of an order: the fields that a notice needs, and no others."""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Line(msgspec.Struct, frozen=True):
    """`unit_price` in minor units."""

    name: str
    quantity: int
    unit_price: int
    sku: str = ""


class Notify(msgspec.Struct, frozen=True):
    """Where the customer wants to hear of it."""

    email: str | None = None
    webhook_url: str | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order at its end, as an event tells of it; other fields pass by unread. `amount` in minor units."""

    order_id: str
    tenant_id: str
    customer_id: str
    status: Literal["completed", "rejected", "cancelled"]
    currency: str
    amount: int
    lines: Sequence[Line]
    reason: str | None = None
    notify: Notify | None = None
    version: int = 0
    at: str | None = None

    @property
    def email(self) -> str | None:
        return self.notify.email if self.notify else None

    @property
    def webhook_url(self) -> str | None:
        return self.notify.webhook_url if self.notify else None
