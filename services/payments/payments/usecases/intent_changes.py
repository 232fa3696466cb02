"""A payment intent that moved: written, told, counted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chassis.postgres import Connection

from payments.domain.charges import Charge
from payments.domain.charges import render as render_charge
from payments.domain.operations import Operation
from payments.domain.payment_intents import PaymentIntent, render
from payments.store import attempts
from payments.store import payment_intents as store
from payments.usecases import events, money_metrics
from payments.usecases.attachments import Change
from payments.usecases.events import Draft

Document = dict[str, Any]


def change_of(op: Operation, at: Any) -> Change:
    """What is told of an operation's end names the request that began it."""
    return Change(op.account_id, at, op.request_id, op.key)


async def save(conn: Connection, intent: PaymentIntent) -> PaymentIntent:
    """Write an intent that is locked; gives it with its new version."""
    money_metrics.INTENTS.labels(intent.status).inc()
    return replace(intent, version=await store.save(conn, intent))


async def end(conn: Connection, intent: PaymentIntent, charge: Charge, *, spends: bool) -> PaymentIntent:
    """As `save`, with the charge that the attempt came to; see `store.attempts.end`."""
    money_metrics.INTENTS.labels(intent.status).inc()
    return replace(intent, version=await attempts.end(conn, intent, charge, spends=spends))


def told(change: Change, intent: PaymentIntent, *kinds: str, previous: Document | None = None) -> list[Draft]:
    """Events of the intent as it is now."""
    document = render(intent)
    return [
        replace(change.event(f"payment_intent.{kind}", document, previous), version=intent.version)
        for kind in kinds
    ]


def told_charge(change: Change, charge: Charge, kind: str) -> Draft:
    return change.event(f"charge.{kind}", render_charge(charge))


async def record(conn: Connection, drafts: Sequence[Draft]) -> None:
    await events.record_all(conn, drafts)
