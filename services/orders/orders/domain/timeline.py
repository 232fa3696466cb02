"""How an order moves: a row of its timeline a step, a version a row, an event a version."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from chassis.ids import uuid7

from orders.domain.orders import Order, Status


class Step(StrEnum):
    """The statuses of a timeline; the last three are the ends."""

    PENDING = "pending"
    STOCK_RESERVED = "stock_reserved"
    PAYMENT_AUTHORISED = "payment_authorised"
    STOCK_CONFIRMED = "stock_confirmed"
    PAYMENT_CAPTURED = "payment_captured"
    CANCELLING = "cancelling"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


ENDS: Final = {
    Step.COMPLETED: Status.COMPLETED,
    Step.REJECTED: Status.REJECTED,
    Step.CANCELLED: Status.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the timeline; `event_id` is the ce_id of the event that tells it."""

    order_id: str
    version: int
    status: Step
    event_id: UUID
    at: datetime


def begun(order: Order) -> Entry:
    """The first row of a new order's timeline."""
    return Entry(order.id, order.version, Step.PENDING, uuid7(), order.created_at)


def moved(order: Order, step: Step, at: datetime, *, reason: str | None = None) -> tuple[Order, Entry]:
    """The order one version on, and the row that tells of it; an end also sets status and `finished_at`.

    Raises ValueError for an order that has ended: it never moves again.
    """
    if order.finished:
        raise ValueError(f"{order.id} is {order.status}")
    status = ENDS.get(step, Status.PENDING)
    at = max(at, order.updated_at)  # clocks of two processes may differ, a timeline runs one way
    after = replace(
        order,
        status=status,
        step=step,
        reason=reason if reason is not None else order.reason,
        version=order.version + 1,
        updated_at=at,
        finished_at=at if status is not Status.PENDING else None,
    )
    return after, Entry(order.id, after.version, step, uuid7(), at)
