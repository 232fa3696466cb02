"""Charges: retrieve, update, list."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import ResourceMissing
from payments.dialect.expand import Noun
from payments.dialect.lists import Page, check_cursor, page_of, rendered_page
from payments.dialect.metadata import merged_metadata
from payments.domain import charges as domain
from payments.domain.charges import Charge
from payments.domain.differences import previous_attributes
from payments.resources import Resources
from payments.store import charges as store
from payments.store import payment_intents as intent_store
from payments.usecases import attachments, events, once
from payments.usecases.attachments import Change

Document = dict[str, Any]
NAME: Final = "charge"
_DETAILS: Final = ("description", "receipt_email", "shipping", "transfer_group", "fraud_details")


async def retrieve(res: Resources, call: Call) -> Document:
    """Raises ResourceMissing."""
    async with res.db.acquire() as conn:
        charge = await store.get(conn, call.account.id, call.id)
    if charge is None:
        raise ResourceMissing(NAME, call.id)
    return domain.render(charge)


async def update(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing."""

    async def work(conn: Connection) -> Document:
        charge = await store.lock(conn, call.account.id, call.id)
        if charge is None:
            raise ResourceMissing(NAME, call.id)
        updated = _updated(charge, call.params)
        if updated.customer is not None and updated.customer != charge.customer:
            await attachments.require_customer(conn, call.account.id, updated.customer)
        before, after = domain.render(charge), domain.render(updated)
        if updated != charge:
            await store.describe(conn, updated)
            change = Change.of(call, res.clock.now())
            told = change.event("charge.updated", after, previous_attributes(before, after))
            await events.record_all(conn, [told])
        return after

    return await once.in_transaction(res, call, work)


def _updated(charge: Charge, params: dict[str, Any]) -> Charge:
    given: dict[str, Any] = {name: params[name] for name in _DETAILS if name in params}
    details = {**charge.details, **given}
    metadata = charge.metadata
    if "metadata" in params:
        metadata = merged_metadata(charge.metadata, params["metadata"])
    return replace(
        charge,
        customer=params.get("customer", charge.customer),
        details={name: value for name, value in details.items() if value is not None},
        metadata=metadata,
    )


async def list_all(res: Resources, call: Call) -> Document:
    """Of the account, of one intent or of one customer. Raises ResourceMissing."""
    page = page_of(call)
    async with res.db.acquire() as conn:
        await check_cursor(page, NAME, lambda cursor: store.exists(conn, call.account.id, cursor))
        rows = await _rows(conn, call, page)
    return rendered_page("/v1/charges", rows, page, domain.render)


async def _rows(conn: Connection, call: Call, page: Page) -> list[Charge]:
    account_id = call.account.id
    intent, customer = call.params.get("payment_intent"), call.params.get("customer")
    if intent is not None:
        if not await intent_store.exists(conn, account_id, intent):
            raise ResourceMissing("payment_intent", intent, "payment_intent")
        rows = await store.page_of_intent(conn, account_id, intent, page)
        return [row for row in rows if customer in (None, row.customer)]
    if customer is not None:
        return await store.page_of_customer(conn, account_id, customer, page)
    return await store.page(conn, account_id, page)


async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Document]:
    return {row.id: domain.render(row) for row in await store.fetch_many(conn, account_id, ids)}


NOUN: Final = Noun(
    NAME,
    "ch",
    load,
    {
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
    },
)
