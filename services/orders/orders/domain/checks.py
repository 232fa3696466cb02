"""What the reconcile check compares: orders with the money and the stock that others hold of them."""

from dataclasses import dataclass
from typing import Final

from orders.domain.orders import Status


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` says how much, or what is wrong."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Paid:
    """What payments holds of an intent; `kept` is what was taken and not given back, in minor units."""

    intent_id: str
    order_id: str
    kept: int
    currency: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What an order ought to have been charged, once it has ended."""

    order_id: str
    status: Status
    amount: int
    currency: str
    intent_id: str | None


_GONE: Final = frozenset({"refused", "released", "expired", None})


def money_difference(paid: Paid, owed: Owed | None) -> str | None:
    """None when both agree, or when the order has not ended yet."""
    if owed is None:
        return f"{paid.intent_id} kept {paid.kept} of an unknown order {paid.order_id}" if paid.kept else None
    if owed.status is Status.PENDING:
        return None
    ought = owed.amount if owed.status is Status.COMPLETED and paid.intent_id == owed.intent_id else 0
    if paid.kept == ought and (ought == 0 or paid.currency == owed.currency):
        return None
    return (
        f"{owed.order_id} is {owed.status}: {paid.intent_id} kept {paid.kept} {paid.currency}, not {ought}"
        f" {owed.currency}"
    )


def stock_difference(order_id: str, status: Status, reservation: str | None) -> str | None:
    """Of an order that has ended."""
    fits = reservation == "confirmed" if status is Status.COMPLETED else reservation in _GONE
    return None if fits else f"{order_id} is {status}, its reservation {reservation or 'unknown'}"
