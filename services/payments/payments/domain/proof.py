"""What the proof compares: the bank's book with what we hold of the same charge."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` says how much, or what is wrong."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A charge in the bank's book; amounts in minor units."""

    id: str
    idempotency_key: str
    amount: int
    captured: int
    refunded: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class Held:
    """What we hold of an authorisation: its operation's own outcome, and what became of the charge since.

    `open` names the operations of its intent whose end is not known here, itself included.
    """

    bank_key: str
    operation: str
    bank_charge_id: str | None
    amount: int
    captured: int
    refunded: int
    currency: str
    status: str | None
    open: tuple[str, ...]


def difference(booked: Booked, held: Held | None) -> str | None:
    """What the book says and we do not; None when both say the same."""
    if held is None:
        return f"{booked.id}: its key {booked.idempotency_key} is of no operation of ours"
    pairs: dict[str, tuple[Any, Any]] = {
        "id": (booked.id, held.bank_charge_id),
        "status": (booked.status, held.status),
        "amount": (booked.amount, held.amount),
        "captured": (booked.captured, held.captured),
        "refunded": (booked.refunded, held.refunded),
        "currency": (booked.currency, held.currency),
    }
    told = [f"{name} {bank!r} there, {ours!r} here" for name, (bank, ours) in pairs.items() if bank != ours]
    return f"{booked.id} of {held.operation}: {', '.join(told)}" if told else None
