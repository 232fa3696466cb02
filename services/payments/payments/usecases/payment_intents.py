"""Payment intents: create, retrieve, update, confirm, list."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from chassis.once import Answer, Repeatable
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest, ResourceMissing, UnexpectedState
from payments.dialect.expand import Noun
from payments.dialect.lists import check_cursor, page_of, rendered_page
from payments.domain import cards
from payments.domain import payment_intents as domain
from payments.domain.operations import Operation
from payments.domain.payment_intents import PaymentIntent
from payments.domain.payment_methods import PaymentMethod
from payments.resources import Resources
from payments.store import attempts
from payments.store import customers as customers_store
from payments.store import payment_intents as store
from payments.usecases import (
    attachments,
    authorisations,
    events,
    intent_changes,
    intent_methods,
    intent_terms,
    money_metrics,
    once,
    operations,
)
from payments.usecases.attachments import Change
from payments.usecases.authorisations import Attempt
from payments.usecases.cards import named
from payments.usecases.intent_changes import told

Document = dict[str, Any]
NAME: Final = "payment_intent"
_NO_METHOD: Final = (
    "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the"
    " PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a"
    " payment method."
)


async def create(res: Resources, call: Call) -> Answer:
    """Create an intent and, with `confirm`, pay at once.

    Raises InvalidRequest, ResourceMissing, CardDeclined, Unavailable.
    """
    intent_terms.new_intent(Change.of(call, res.clock.now()), call.params)  # refused before a key is taken
    if call.params.get("confirm"):
        return await operations.perform(
            res,
            call,
            authorisations.HANDLER,
            lambda conn: _create_confirmed(res, conn, call),
            _shortcut(res, call),
        )

    async def work(conn: Connection) -> Document:
        intent, _ = await _created(res, conn, call)
        return domain.render(intent)

    return await once.in_transaction(res, call, work)


async def _create_confirmed(res: Resources, conn: Connection, call: Call) -> Operation | Answer | Document:
    intent, method = await _created(res, conn, call)
    if method is None:
        raise UnexpectedState(_NO_METHOD)
    return await authorisations.start(res, conn, call, intent, method, Attempt.of(call.params))


def _shortcut(res: Resources, call: Call) -> operations.Shortcut | None:
    """For a new card that needs nobody's leave: there is nothing to look up, so one statement begins it."""
    card = cards.by_payment_method(call.params.get("payment_method") or "")
    if card is None or call.params.get("customer") is not None:
        return None
    attempt = Attempt.of(call.params)
    if attempt.needs_authentication(named(call.account.id, card, res.clock.now())):
        return None

    async def begin(conn: Connection, key: Repeatable, at: datetime, due_at: datetime) -> Operation | None:
        change = Change.of(call, at)
        method = named(call.account.id, card, at)
        intent = domain.with_payment_method(intent_terms.new_intent(change, call.params), method.id)
        [created] = told(change, intent, "created")
        op = authorisations.asked(res, call, at, intent, method, attempt)
        op = replace(op, due_at=due_at, scope=key.scope, key=key.key)
        # Asked of the bank from its first row on: the second version in one.
        begun = replace(domain.confirming(intent), version=intent.version + 1)
        event, leaving = events.prepared(created)
        assert leaving is not None  # noqa: S101 every change of an intent leaves on Kafka
        fencing = await attempts.begin(conn, key, operations.OWNER, method, begun, op, event, leaving)
        if fencing is None:
            return None
        for status in (intent.status, begun.status):
            money_metrics.INTENTS.labels(status).inc()
        return replace(op, key_fencing=fencing)

    return begin


async def _created(
    res: Resources, conn: Connection, call: Call
) -> tuple[PaymentIntent, PaymentMethod | None]:
    change = Change.of(call, res.clock.now())
    intent = intent_terms.new_intent(change, call.params)
    if intent.customer is not None:
        await attachments.require_customer(conn, intent.account_id, intent.customer)
    method = await intent_methods.chosen(conn, change, intent, call.params)
    if method is not None:
        intent = domain.with_payment_method(intent, method.id)
    await store.insert(conn, intent)
    money_metrics.INTENTS.labels(intent.status).inc()
    await intent_changes.record(conn, told(change, intent, "created"))
    return intent, method


async def confirm(res: Resources, call: Call) -> Answer:
    """Pay: 200 with the intent, or 402 when the card was declined.

    Raises ResourceMissing, InvalidRequest, UnexpectedState, Unavailable.
    """

    async def begin(conn: Connection) -> Operation | Answer | Document:
        change = Change.of(call, res.clock.now())
        intent = await locked(conn, call)
        check_secret(call, intent)
        require(intent, "confirm", "confirmed", domain.CONFIRMABLE)
        intent = intent_terms.changed_terms(intent, call.params)
        method = await intent_methods.chosen(conn, change, intent, call.params)
        if method is not None:
            intent = domain.with_payment_method(intent, method.id)
        elif intent.payment_method is None:
            raise UnexpectedState(_NO_METHOD, payment_intent=domain.render(intent))
        else:
            method = await intent_methods.owned(conn, change, intent, intent.payment_method)
        return await authorisations.start(res, conn, call, intent, method, Attempt.of(call.params))

    return await operations.perform(res, call, authorisations.HANDLER, begin)


async def retrieve(res: Resources, call: Call) -> Document:
    """Raises ResourceMissing; InvalidRequest for a client secret that is not its own."""
    async with res.db.acquire() as conn:
        intent = await store.get(conn, call.account.id, call.id)
    if intent is None:
        raise ResourceMissing(NAME, call.id)
    check_secret(call, intent)
    return domain.render(intent)


async def update(res: Resources, call: Call) -> Answer:
    """Raises ResourceMissing, InvalidRequest, UnexpectedState for terms that are settled."""

    async def work(conn: Connection) -> Document:
        change = Change.of(call, res.clock.now())
        intent = await locked(conn, call)
        term = domain.refused_term(intent, list(call.params))
        if term is not None:
            raise UnexpectedState(
                f"This PaymentIntent's {term} could not be updated because it has a status of"
                f" {intent.status}. You may only update the {term} of a PaymentIntent with one of the"
                f" following statuses: {', '.join(domain.CONFIRMABLE)}.",
                payment_intent=domain.render(intent),
            )
        updated = await _updated(conn, change, intent, call)
        if updated != intent:
            updated = await intent_changes.save(conn, updated)
        return domain.render(updated)

    return await once.in_transaction(res, call, work)


async def _updated(conn: Connection, change: Change, intent: PaymentIntent, call: Call) -> PaymentIntent:
    params = call.params
    updated = intent_terms.changed_terms(intent, params)
    if updated.customer is not None and updated.customer != intent.customer:
        await attachments.require_customer(conn, intent.account_id, updated.customer)
    method = await intent_methods.chosen(conn, change, updated, params)
    if method is not None:
        return domain.with_payment_method(updated, method.id)
    if "payment_method" in params:
        return domain.with_payment_method(updated, None)
    if intent.status is domain.Status.REQUIRES_ACTION and updated.amount != intent.amount:
        # What the holder would agree to is no longer what they were shown.
        return domain.with_payment_method(updated, intent.payment_method)
    if intent.status in domain.CONFIRMABLE:
        return replace(updated, last_payment_error=None)
    return updated


async def list_all(res: Resources, call: Call) -> Document:
    """Of the account, or of one customer. Raises ResourceMissing for an unknown cursor."""
    page, account_id = page_of(call), call.account.id
    customer = call.params.get("customer")
    async with res.db.acquire() as conn:
        await check_cursor(page, NAME, lambda cursor: store.exists(conn, account_id, cursor))
        if customer is None:
            rows = await store.page(conn, account_id, page)
        else:
            if not await customers_store.exists(conn, account_id, customer):
                raise ResourceMissing("customer", customer, "customer")
            rows = await store.page_of_customer(conn, account_id, customer, page)
    return rendered_page("/v1/payment_intents", rows, page, domain.render)


async def locked(conn: Connection, call: Call) -> PaymentIntent:
    """The intent of the address. Raises ResourceMissing."""
    intent = await store.lock(conn, call.account.id, call.id)
    if intent is None:
        raise ResourceMissing(NAME, call.id)
    return intent


def require(intent: PaymentIntent, verb: str, done: str, allowed: Sequence[domain.Status]) -> None:
    """Raises UnexpectedState unless the intent is in one of the states."""
    why = domain.refusal(intent, verb, done, allowed)
    if why is not None:
        raise UnexpectedState(why, payment_intent=domain.render(intent))


def check_secret(call: Call, intent: PaymentIntent) -> None:
    given = call.params.get("client_secret")
    if given is not None and not hmac.compare_digest(given.encode(), intent.client_secret.encode()):
        raise InvalidRequest(
            "The client_secret provided does not match the client_secret associated with the PaymentIntent.",
            "client_secret",
            "payment_intent_invalid_parameter",
        )


async def load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Document]:
    return {row.id: domain.render(row) for row in await store.fetch_many(conn, account_id, ids)}


NOUN: Final = Noun(
    NAME,
    "pi",
    load,
    {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
        "last_payment_error.payment_method": "payment_method",
    },
)
