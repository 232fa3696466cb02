"""Turns rows into orders and products."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from orders.domain.orders import Line, Notify, Order, Status
from orders.domain.products import Product, Terms
from orders.domain.timeline import Entry, Step


def order_of(row: Record) -> Order:
    return Order(
        id=row["id"],
        tenant_id=row["tenant_id"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        payment_method=row["payment_method"],
        amount=row["amount"],
        lines=tuple(Line(*line) for line in row["lines"]),
        notify=Notify(row["notify"].get("email"), row["notify"].get("webhook_url")),
        status=Status(row["status"]),
        step=row["step"],
        reason=row["reason"],
        version=row["version"],
        cancel_requested_at=row["cancel_requested_at"],
        traceparent=row["traceparent"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        finished_at=row["finished_at"],
    )


def timeline_of(row: Record) -> tuple[Entry, ...]:
    """Of a row with `timeline`."""
    entries: Sequence[tuple[int, str, str, str]] = row["timeline"]
    return tuple(
        Entry(row["id"], version, Step(status), UUID(event_id), datetime.fromisoformat(at))
        for version, status, event_id, at in entries
    )


def product_of(row: Record) -> Product:
    return Product(
        sku=row["sku"],
        terms=Terms(row["name"], row["unit_price"], row["currency"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
