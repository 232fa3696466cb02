"""Setup intents: create, retrieve, update, confirm, cancel, list."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest, ResourceMissing, UnexpectedState
from payments.dialect.expand import Noun
from payments.dialect.lists import Page, check_cursor, page_of, rendered_page
from payments.domain import setup_intents as domain
from payments.domain.payment_methods import PaymentMethod
from payments.domain.setup_intents import SetupIntent
from payments.resources import Resources
from payments.store import customers as customers_store
from payments.store import payment_methods as methods_store
from payments.store import setup_intent_pages as pages
from payments.store import setup_intents as store
from payments.usecases import attachments, once
from payments.usecases.attachments import Change
from payments.usecases.cards import from_params
from payments.usecases.setup_attempts import attempt, check_owner, hold_customer, tell
from payments.usecases.setup_terms import changed_terms, check_create, new_intent

NAME: Final = "setup_intent"
_SPOKEN: Final = "setupintent"
_STATE: Final = "setup_intent_unexpected_state"
Document = dict[str, Any]


async def create(res: Resources, call: Call) -> Answer:
    """Create an intent and, with `confirm`, set the card up at once.

    Raises InvalidRequest, ResourceMissing, CardDeclined, UnexpectedState.
    """
    check_create(call.params)

    async def work(conn: Connection) -> Answer | Document:
        change = Change.of(call, res.clock.now())
        intent = new_intent(change, call.params)
        if intent.customer_id is not None:
            await attachments.require_customer(conn, intent.account_id, intent.customer_id)
        method = await _chosen(conn, change, intent, call.params)
        if method is not None:
            intent = domain.with_payment_method(intent, method.id)
        await store.insert(conn, intent)
        document = await tell(conn, change, intent, "created")
        if not call.params.get("confirm"):
            return document
        return await _attempted(conn, res, change, intent, method)

    return await once.in_transaction(res, call, work)


async def confirm(res: Resources, call: Call) -> Answer:
    """200 with the intent, or 402 when the card was declined.

    Raises ResourceMissing, InvalidRequest, UnexpectedState.
    """

    async def work(conn: Connection) -> Answer | Document:
        change = Change.of(call, res.clock.now())
        intent = await _locked(conn, call)
        _check_secret(call, intent)
        _require(intent, "confirm", "confirmed")
        intent = changed_terms(intent, call.params)
        await hold_customer(conn, intent)
        method = await _chosen(conn, change, intent, call.params)
        if method is not None:
            intent = domain.with_payment_method(intent, method.id)
        elif intent.payment_method_id is not None:
            method = await attachments.obtain(conn, change, intent.payment_method_id)
            check_owner(intent, method)
        return await _attempted(conn, res, change, intent, method)

    return await once.in_transaction(res, call, work)


async def _attempted(
    conn: Connection, res: Resources, change: Change, intent: SetupIntent, method: PaymentMethod | None
) -> Answer | Document:
    if method is None:
        raise UnexpectedState(
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either update"
            " the SetupIntent with a payment method and then confirm it again, or confirm it again directly"
            " with a payment method.",
            _STATE,
            setup_intent=domain.render(intent),
        )
    return await attempt(conn, res, change, intent, method)


async def retrieve(res: Resources, call: Call) -> Document:
    """Raises ResourceMissing; InvalidRequest for a client secret that is not its own."""
    async with res.db.acquire() as conn:
        intent = await store.get(conn, call.account.id, call.id)
    if intent is None:
        raise ResourceMissing(_SPOKEN, call.id)
    _check_secret(call, intent)
    return domain.render(intent)


async def update(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, InvalidRequest, UnexpectedState for terms that are settled."""

    async def work(conn: Connection) -> Document:
        change = Change.of(call, res.clock.now())
        intent = await _locked(conn, call)
        if domain.TERMS & call.params.keys():
            _require(intent, "update", "updated")
        updated = changed_terms(intent, call.params)
        if updated.customer_id is not None and updated.customer_id != intent.customer_id:
            await attachments.require_customer(conn, intent.account_id, updated.customer_id)
        method = await _chosen(conn, change, updated, call.params)
        if method is not None:
            updated = domain.with_payment_method(updated, method.id)
        elif "payment_method" in call.params:
            updated = domain.with_payment_method(updated, None)
        await store.update(conn, updated)
        return domain.render(updated)

    return await once.in_transaction(res, call, work)


async def cancel(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, UnexpectedState for one that succeeded or was canceled."""

    async def work(conn: Connection) -> Document:
        intent = await _locked(conn, call)
        _require(intent, "cancel", "canceled")
        canceled = domain.canceled(intent, call.params.get("cancellation_reason"))
        await store.update(conn, canceled)
        return await tell(conn, Change.of(call, res.clock.now()), canceled, "canceled")

    return await once.in_transaction(res, call, work)


async def list_all(res: Resources, call: Call) -> Document:
    """Of the account, of a customer, or of a payment method. Raises ResourceMissing."""
    page, account_id = page_of(call), call.account.id
    customer = call.params.get("customer")
    async with res.db.acquire() as conn:
        await check_cursor(page, _SPOKEN, lambda cursor: store.exists(conn, account_id, cursor))
        if customer is not None and not await customers_store.exists(conn, account_id, customer):
            raise ResourceMissing("customer", customer, "customer")
        method = call.params.get("payment_method")
        if method is not None and not await methods_store.exists(conn, account_id, method):
            raise ResourceMissing("PaymentMethod", method, "payment_method")
        rows = await _rows(conn, account_id, customer, method, page)
    return rendered_page("/v1/setup_intents", rows, page, domain.render)


async def _rows(
    conn: Connection, account_id: str, customer: str | None, method: str | None, page: Page
) -> list[SetupIntent]:
    if method is not None:
        return await pages.page_of_payment_method(conn, account_id, method, customer, page)
    if customer is not None:
        return await pages.page_of_customer(conn, account_id, customer, page)
    return await pages.page(conn, account_id, page)


async def _chosen(
    conn: Connection, change: Change, intent: SetupIntent, params: Mapping[str, Any]
) -> PaymentMethod | None:
    """What the parameters name or describe, locked or new; None when they say nothing."""
    if "payment_method_data" in params:
        method = from_params(
            change.account_id, params["payment_method_data"], change.at, within="payment_method_data"
        )
        await methods_store.insert(conn, method)
        return method
    if params.get("payment_method") is None:
        return None
    method = await attachments.obtain(conn, change, params["payment_method"])
    check_owner(intent, method)
    return method


async def _locked(conn: Connection, call: Call) -> SetupIntent:
    intent = await store.lock(conn, call.account.id, call.id)
    if intent is None:
        raise ResourceMissing(_SPOKEN, call.id)
    return intent


def _require(intent: SetupIntent, verb: str, done: str) -> None:
    why = domain.refusal(intent, verb, done)
    if why is not None:
        raise UnexpectedState(why, _STATE, setup_intent=domain.render(intent))


def _check_secret(call: Call, intent: SetupIntent) -> None:
    given = call.params.get("client_secret")
    if given is not None and not hmac.compare_digest(given.encode(), intent.client_secret.encode()):
        raise InvalidRequest(
            "The client_secret provided does not match the client_secret associated with the SetupIntent.",
            "client_secret",
            "setup_intent_invalid_parameter",
        )


async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Document]:
    """For expansion."""
    return {row.id: domain.render(row) for row in await store.fetch_many(conn, account_id, ids)}


NOUN: Final = Noun(NAME, domain.PREFIX, load, {"customer": "customer", "payment_method": "payment_method"})
