"""Whose a card is: attached to a customer, detached for good, or spent by a payment without a customer.

Rows are locked in one order everywhere: intents, then the customer, then the payment method.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import ResourceMissing, UnexpectedState
from payments.domain import cards, customers
from payments.domain.customers import Customer
from payments.domain.differences import previous_attributes
from payments.domain.payment_methods import PaymentMethod, render
from payments.store import customers as customers_store
from payments.store import payment_methods as store
from payments.usecases import events
from payments.usecases.cards import named, refusal
from payments.usecases.events import Draft

UNEXPECTED_STATE = "payment_method_unexpected_state"


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes what, and when: what every event of the change tells."""

    account_id: str
    at: datetime
    request_id: str | None = None
    idempotency_key: str | None = None

    @classmethod
    def of(cls, call: Call, at: datetime) -> "Change":
        return cls(call.account.id, at, call.request_id, call.key)

    def event(
        self, kind: str, document: dict[str, object], previous: dict[str, object] | None = None
    ) -> Draft:
        return Draft(
            account_id=self.account_id,
            type=kind,
            object=document,
            at=self.at,
            request_id=self.request_id,
            idempotency_key=self.idempotency_key,
            previous_attributes=previous,
        )


async def obtain(
    conn: Connection, change: Change, reference: str, param: str = "payment_method"
) -> PaymentMethod:
    """The payment method of that id, locked; a test card's name such as pm_card_visa makes a new one.

    Raises ResourceMissing, UnexpectedState for one that may not be used again.
    """
    card = cards.by_payment_method(reference)
    if card is not None:
        row = named(change.account_id, card, change.at)
        await store.insert(conn, row)
        return row
    found = await store.lock(conn, change.account_id, reference)
    if found is None:
        raise ResourceMissing("PaymentMethod", reference, param)
    return usable(found)


def usable(row: PaymentMethod) -> PaymentMethod:
    """Raises UnexpectedState for one that was detached, or paid with while it was nobody's."""
    if row.spent:
        raise UnexpectedState(
            "The provided PaymentMethod was previously used without being attached to a customer, or was"
            " detached from one: it may not be used again. To use a PaymentMethod several times, attach it"
            " to a customer first.",
            UNEXPECTED_STATE,
        )
    return row


async def require_customer(conn: Connection, account_id: str, customer_id: str) -> None:
    """Keep the customer while the transaction runs. Raises ResourceMissing with the param `customer`."""
    if not await customers_store.hold(conn, account_id, customer_id):
        raise ResourceMissing("customer", customer_id, "customer")


async def attach(
    conn: Connection, change: Change, row: PaymentMethod, customer_id: str, *, set_up: bool = False
) -> PaymentMethod:
    """Attach a locked, usable payment method to a customer that is held, and tell of it.

    Raises UnexpectedState when it is another's, CardDeclined when the bank would not have it.
    """
    if row.customer_id not in (None, customer_id):
        raise UnexpectedState(
            "The payment method you provided has already been attached to a customer.", UNEXPECTED_STATE
        )
    if row.card.declines_on_attach is not None:
        raise refusal(row.card.declines_on_attach)
    attached = replace(row, customer_id=customer_id, checked=True, set_up=row.set_up or set_up)
    if attached == row:
        return row
    await store.update(conn, attached)
    if row.customer_id is None:
        await events.record_all(conn, [change.event("payment_method.attached", render(attached))])
    return attached


async def detach(
    conn: Connection, change: Change, customer: Customer, rows: Sequence[PaymentMethod]
) -> list[PaymentMethod]:
    """Detach locked payment methods of a customer that is locked too, and tell of it."""
    told, detached = [], []
    for row in rows:
        freed = replace(row, customer_id=None, spent=True)
        await store.update(conn, freed)
        told.append(change.event("payment_method.detached", render(freed), {"customer": customer.id}))
        detached.append(freed)
    await events.record_all(conn, told)
    return detached


async def forget_defaults(conn: Connection, change: Change, customer: Customer, gone: str) -> None:
    """A locked customer whose default that payment method was has none afterwards, and it is told."""
    profile = {name: value for name, value in customer.profile.items() if value != gone}
    default = customer.default_payment_method
    cleared = replace(customer, profile=profile, default_payment_method=None if default == gone else default)
    if cleared != customer:
        await customers_store.update(conn, cleared)
        await tell_update(conn, change, customer, cleared)


async def tell_update(conn: Connection, change: Change, before: Customer, after: Customer) -> None:
    old, new = customers.render(before), customers.render(after)
    told = change.event("customer.updated", new, previous_attributes(old, new))
    await events.record_all(conn, [told])
