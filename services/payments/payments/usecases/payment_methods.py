"""Payment methods: create, read, update, attach, detach, list."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chassis.logs import get_logger
from chassis.postgres import Connection

from payments.dialect import lists
from payments.dialect.calls import Answer, Call
from payments.dialect.errors import ResourceMissing, UnexpectedState
from payments.dialect.expand import Noun
from payments.dialect.metadata import merged_metadata
from payments.domain import cards
from payments.domain.differences import previous_attributes
from payments.domain.payment_method_types import CARD
from payments.domain.payment_methods import PaymentMethod, billing_details, render
from payments.resources import Resources
from payments.store import customers as customers_store
from payments.store import payment_methods as store
from payments.usecases import attachments, events, once
from payments.usecases.attachments import UNEXPECTED_STATE, Change
from payments.usecases.cards import check_expiry, from_params, full_year, named

_NAME = "PaymentMethod"
_log = get_logger(__name__)


async def create(res: Resources, call: Call) -> Answer:
    """Raises InvalidRequest, ResourceMissing, CardDeclined."""

    async def work(conn: Connection) -> dict[str, Any]:
        row = from_params(call.account.id, call.params, res.clock.now())
        await store.insert(conn, row)
        return render(row)

    return await once.in_transaction(res, call, work)


async def retrieve(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing. A test card's name gives a new payment method here as everywhere."""
    async with res.db.acquire() as conn:
        row = await store.get(conn, call.account.id, call.id)
        if row is None:
            row = await _named(conn, res, call)
    return render(row)


async def _named(conn: Connection, res: Resources, call: Call) -> PaymentMethod:
    card = cards.by_payment_method(call.id)
    if card is None:
        raise ResourceMissing(_NAME, call.id)
    row = named(call.account.id, card, res.clock.now())
    await store.insert(conn, row)
    return row


async def update(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, UnexpectedState for one that is nobody's, CardDeclined for impossible dates."""

    async def work(conn: Connection) -> dict[str, Any]:
        change = Change.of(call, res.clock.now())
        row = await store.lock(conn, call.account.id, call.id)
        if row is None:
            raise ResourceMissing(_NAME, call.id)
        if row.customer_id is None:
            raise UnexpectedState(
                "You must save this PaymentMethod to a customer before you can update it.", UNEXPECTED_STATE
            )
        updated = _updated(row, call.params)
        check_expiry(updated.exp_month, updated.exp_year, change.at)
        if updated != row:
            await store.update(conn, updated)
            before, after = render(row), render(updated)
            told = change.event("payment_method.updated", after, previous_attributes(before, after))
            await events.record_all(conn, [told])
        return render(updated)

    return await once.in_transaction(res, call, work)


def _updated(row: PaymentMethod, params: dict[str, Any]) -> PaymentMethod:
    card = params.get("card", {})
    metadata = dict(row.metadata)
    if "metadata" in params:
        metadata = merged_metadata(row.metadata, params["metadata"])
    return replace(
        row,
        exp_month=card.get("exp_month", row.exp_month),
        exp_year=full_year(card.get("exp_year", row.exp_year)),
        allow_redisplay=params.get("allow_redisplay", row.allow_redisplay),
        billing_details=billing_details(row.billing_details, params.get("billing_details", {})),
        metadata=metadata,
    )


async def attach(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, UnexpectedState, CardDeclined."""
    customer_id = call.params["customer"]

    async def work(conn: Connection) -> dict[str, Any]:
        change = Change.of(call, res.clock.now())
        await attachments.require_customer(conn, call.account.id, customer_id)
        row = await attachments.obtain(conn, change, call.id, "id")
        attached = await attachments.attach(conn, change, row, customer_id)
        _log.info("payment_method.attached", payment_method=attached.id, customer=customer_id)
        return render(attached)

    return await once.in_transaction(res, call, work)


async def detach(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, UnexpectedState when it is nobody's."""

    async def work(conn: Connection) -> dict[str, Any]:
        change = Change.of(call, res.clock.now())
        seen = await store.get(conn, call.account.id, call.id)
        if seen is None:
            raise ResourceMissing(_NAME, call.id)
        if seen.customer_id is None:
            raise _not_attached()
        customer = await customers_store.lock(conn, call.account.id, seen.customer_id)
        row = await store.lock(conn, call.account.id, call.id)
        if customer is None or row is None or row.customer_id != customer.id:
            raise _not_attached()  # somebody was quicker
        [freed] = await attachments.detach(conn, change, customer, [row])
        await attachments.forget_defaults(conn, change, customer, row.id)
        _log.info("payment_method.detached", payment_method=row.id, customer=customer.id)
        return render(freed)

    return await once.in_transaction(res, call, work)


def _not_attached() -> UnexpectedState:
    return UnexpectedState(
        "The payment method you provided is not attached to a customer so detachment is impossible.",
        UNEXPECTED_STATE,
    )


async def list_all(res: Resources, call: Call) -> dict[str, Any]:
    """Of the account, or of one customer. Raises ResourceMissing."""
    customer_id = call.params.get("customer")
    async with res.db.acquire() as conn:
        if customer_id is not None and not await customers_store.exists(conn, call.account.id, customer_id):
            raise ResourceMissing("customer", customer_id, "customer")
        return await _page(conn, call, "/v1/payment_methods", customer_id)


async def list_of_customer(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing."""
    async with res.db.acquire() as conn:
        if not await customers_store.exists(conn, call.account.id, call.id):
            raise ResourceMissing("customer", call.id)
        return await _page(conn, call, f"/v1/customers/{call.id}/payment_methods", call.id)


async def _page(conn: Connection, call: Call, url: str, customer_id: str | None) -> dict[str, Any]:
    page = lists.page_of(call)
    await lists.check_cursor(page, _NAME, lambda cursor: store.exists(conn, call.account.id, cursor))
    # Cards are all there is: of every other type the list is empty.
    is_wanted = call.params.get("type", CARD) == CARD
    rows = await _rows(conn, call, customer_id, page) if is_wanted else []
    return lists.rendered_page(url, rows, page, render)


async def _rows(
    conn: Connection, call: Call, customer_id: str | None, page: lists.Page
) -> list[PaymentMethod]:
    account_id, redisplay = call.account.id, call.params.get("allow_redisplay")
    if customer_id is None:
        return await store.page(conn, account_id, redisplay, page)
    return await store.page_of_customer(conn, account_id, customer_id, redisplay, page)


async def retrieve_of_customer(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing for the customer, and for a payment method that is not its own."""
    customer_id, payment_method_id = call.ids
    async with res.db.acquire() as conn:
        if not await customers_store.exists(conn, call.account.id, customer_id):
            raise ResourceMissing("customer", customer_id)
        row = await store.get(conn, call.account.id, payment_method_id)
    if row is None or row.customer_id != customer_id:
        raise ResourceMissing(_NAME, payment_method_id)
    return render(row)


async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For expansion."""
    return {row.id: render(row) for row in await store.fetch_many(conn, account_id, ids)}


NOUN = Noun("payment_method", "pm", load, {"customer": "customer"})
