"""Customers: create, read, update, delete, list."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chassis.logs import get_logger
from chassis.postgres import Connection

from payments.dialect import lists
from payments.dialect.calls import Answer, Call
from payments.dialect.errors import InvalidRequest, ResourceMissing
from payments.dialect.expand import Noun
from payments.dialect.metadata import merged_metadata
from payments.domain.customers import PREFIX, Customer, profile_of, render, render_deleted
from payments.domain.ids import new_id
from payments.domain.payment_methods import PaymentMethod
from payments.resources import Resources
from payments.store import customer_pages as pages
from payments.store import customers as store
from payments.store import payment_methods as methods_store
from payments.usecases import attachments, events, once
from payments.usecases.attachments import Change
from payments.usecases.cards import named, token_card

DEFAULT_METHOD = "invoice_settings[default_payment_method]"
_log = get_logger(__name__)


async def create(res: Resources, call: Call) -> Answer:
    """A plain customer is one SQL statement; one that comes with a card is a transaction.

    Raises ResourceMissing, InvalidRequest, CardDeclined, UnexpectedState.
    """
    change = Change.of(call, res.clock.now())
    row = Customer(
        id=new_id(PREFIX, change.at),
        account_id=call.account.id,
        email=call.params.get("email"),
        default_payment_method=None,
        profile=profile_of({}, call.params),
        metadata=merged_metadata({}, call.params.get("metadata")),
        created_at=change.at,
    )
    if _names_a_card(call.params):
        return await once.in_transaction(res, call, lambda conn: _create_with_card(conn, call, change, row))
    document = render(row)
    event = events.row(change.event("customer.created", document))
    return await once.in_statement(
        res, call, document, change.at, lambda conn, kept: store.create(conn, kept, row, event)
    )


def _names_a_card(params: Mapping[str, Any]) -> bool:
    return "payment_method" in params or "source" in params or _default_of(params) is not None


def _default_of(params: Mapping[str, Any]) -> str | None:
    reference: str | None = params.get("invoice_settings", {}).get("default_payment_method")
    return reference


async def _create_with_card(conn: Connection, call: Call, change: Change, row: Customer) -> dict[str, Any]:
    await store.insert(conn, row)
    attached = []
    source = call.params.get("source")
    if source is not None:
        attached.append(await _attach_source(conn, change, row, source))
        row = replace(row, profile={**row.profile, "default_source": attached[0].id})
    reference = call.params.get("payment_method")
    if reference is not None:
        method = await attachments.obtain(conn, change, reference)
        attached.append(await attachments.attach(conn, change, method, row.id))
    default = _default_of(call.params)
    if default is not None:
        # The name of a test card is another card each time: here it means the one just attached.
        is_it = default in (reference, *(method.id for method in attached))
        if not is_it:
            raise ResourceMissing("PaymentMethod", default, DEFAULT_METHOD)
        row = replace(row, default_payment_method=attached[-1].id)
    await store.update(conn, row)
    document = render(row)
    await events.record_all(conn, [change.event("customer.created", document)])
    return document


async def _attach_source(conn: Connection, change: Change, customer: Customer, token: str) -> PaymentMethod:
    """The card of a test token, as its customer's.

    Such ids begin with `card_`, as ever; in a list of payment methods they stand behind those of `pm_`.
    """
    method = named(customer.account_id, token_card(token, "source"), change.at, prefix="card")
    await methods_store.insert(conn, method)
    return await attachments.attach(conn, change, method, customer.id)


async def retrieve(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing; a deleted customer is shown as such."""
    async with res.db.acquire() as conn:
        row = await store.get(conn, call.account.id, call.id)
        if row is not None:
            return render(row)
        if await store.is_deleted(conn, call.account.id, call.id):
            return render_deleted(call.id)
    raise ResourceMissing("customer", call.id)


async def update(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, CardDeclined, InvalidRequest."""

    async def work(conn: Connection) -> dict[str, Any]:
        change = Change.of(call, res.clock.now())
        row = await store.lock(conn, call.account.id, call.id)
        if row is None:
            raise ResourceMissing("customer", call.id)
        updated = await _updated(conn, change, row, call.params)
        if updated != row:
            await store.update(conn, updated)
            await attachments.tell_update(conn, change, row, updated)
        return render(updated)

    return await once.in_transaction(res, call, work)


async def _updated(conn: Connection, change: Change, row: Customer, params: Mapping[str, Any]) -> Customer:
    profile = profile_of(row.profile, params)
    if params.get("source") is not None:
        profile["default_source"] = (await _attach_source(conn, change, row, params["source"])).id
    elif params.get("default_source") is not None:
        await _require_own(conn, row, params["default_source"], "default_source", "source")
    invoices = params.get("invoice_settings", {})
    default = invoices.get("default_payment_method", row.default_payment_method)
    if default is not None and default != row.default_payment_method:
        await _require_own(conn, row, default, DEFAULT_METHOD, "PaymentMethod")
    metadata = row.metadata
    if "metadata" in params:
        metadata = merged_metadata(row.metadata, params["metadata"])
    return replace(
        row,
        email=params.get("email", row.email),
        default_payment_method=default,
        profile=profile,
        metadata=metadata,
    )


async def _require_own(conn: Connection, row: Customer, reference: str, param: str, noun: str) -> None:
    """The customer's row is locked, so nobody can detach the card meanwhile."""
    method = await methods_store.get(conn, row.account_id, reference)
    if method is None:
        raise ResourceMissing(noun, reference, param)
    if method.customer_id != row.id:
        raise InvalidRequest(
            f"The customer does not have a payment method with the ID {reference}. The payment method must be"
            " attached to the customer.",
            param,
            "resource_missing",
        )


async def delete(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing; its cards are detached, and only its id is kept."""
    async with res.db.acquire() as conn, conn.transaction():
        change = Change.of(call, res.clock.now())
        row = await store.lock(conn, call.account.id, call.id)
        if row is None:
            raise ResourceMissing("customer", call.id)
        methods = await methods_store.lock_of_customer(conn, call.account.id, call.id)
        await attachments.detach(conn, change, row, methods)
        await store.delete(conn, call.account.id, call.id, change.at)
        await events.record_all(conn, [change.event("customer.deleted", render(row))])
    _log.info("customer.deleted", customer=call.id, payment_methods=len(methods))
    return render_deleted(call.id)


async def list_all(res: Resources, call: Call) -> dict[str, Any]:
    """Raises ResourceMissing for a page that begins nowhere."""
    page = lists.page_of(call)
    async with res.db.acquire() as conn:
        await lists.check_cursor(page, "customer", lambda cursor: store.exists(conn, call.account.id, cursor))
        rows = await _rows(conn, call.account.id, call.params.get("email"), page)
    return lists.rendered_page("/v1/customers", rows, page, render)


async def _rows(conn: Connection, account_id: str, email: str | None, page: lists.Page) -> list[Customer]:
    if email is None:
        return await (pages.oldest if page.backwards else pages.newest)(conn, account_id, page)
    of_email = pages.oldest_of_email if page.backwards else pages.newest_of_email
    return await of_email(conn, account_id, email, page)


async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For expansion; a deleted customer is shown as such."""
    found = {row.id: render(row) for row in await store.fetch_many(conn, account_id, ids)}
    missing = [customer_id for customer_id in ids if customer_id not in found]
    if missing:
        for customer_id in await store.fetch_deleted(conn, account_id, missing):
            found[customer_id] = render_deleted(customer_id)
    return found


NOUN = Noun(
    "customer",
    PREFIX,
    load,
    {"invoice_settings.default_payment_method": "payment_method", "default_source": "payment_method"},
)
