"""The holder of a card proves who they are, or fails to: the payment goes on, or needs another card."""

from dataclasses import dataclass, replace
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Account, Call
from payments.dialect.errors import StripeError
from payments.domain import payment_intents as domain
from payments.domain.money import shown
from payments.domain.operations import Operation
from payments.domain.payment_intents import PaymentIntent, Status
from payments.domain.payment_methods import render as render_method
from payments.resources import Resources
from payments.store import payment_intents as store
from payments.store import payment_methods as methods_store
from payments.usecases import authorisations, intent_changes, once, operations
from payments.usecases.attachments import Change
from payments.usecases.authorisations import Attempt
from payments.usecases.intent_changes import told

Document = dict[str, Any]

FAILURE: Final = "payment_intent_authentication_failure"
_MESSAGE: Final = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new"
    " PaymentMethod to attempt to fulfill this PaymentIntent again."
)


class NothingToAuthenticate(Exception):  # noqa: N818 the page's own word
    """The address is of no page: never was, or the payment has gone on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page shows, and where the holder goes from there."""

    title: str
    description: str | None
    return_url: str | None
    noun: str
    intent_id: str
    client_secret: str


async def find(res: Resources, token: str) -> Asked:
    """Raises NothingToAuthenticate."""
    async with res.db.acquire() as conn:
        intent = await store.find_by_token(conn, token)
    if intent is None:
        raise NothingToAuthenticate
    return Asked(
        title=f"Authenticate {shown(intent.amount, intent.currency)}",
        description=intent.details.get("description"),
        return_url=(intent.next_action or {}).get("redirect_to_url", {}).get("return_url"),
        noun="payment_intent",
        intent_id=intent.id,
        client_secret=intent.client_secret,
    )


async def succeed(res: Resources, token: str) -> bool:
    """The payment goes on by itself, unless its confirmation is manual; whether it has not failed.

    Raises NothingToAuthenticate, Unavailable.
    """
    call = await _call(res, token)

    async def begin(conn: Connection) -> Operation | Answer | Document:
        intent = domain.authenticated(await _locked(conn, call, token))
        if intent.confirmation_method == domain.MANUAL:
            return domain.render(await intent_changes.save(conn, intent))
        method = await methods_store.lock(conn, intent.account_id, intent.payment_method or "")
        if method is None:
            raise NothingToAuthenticate
        return await authorisations.start(res, conn, call, intent, method, Attempt())

    answer = await operations.perform(res, call, authorisations.HANDLER, begin)
    return answer.status == 200  # noqa: PLR2004 OK


async def fail(res: Resources, token: str) -> None:
    """Another payment method is needed. Raises NothingToAuthenticate."""
    call = await _call(res, token)

    async def work(conn: Connection) -> Document:
        change = Change.of(call, res.clock.now())
        intent = await _locked(conn, call, token)
        method = await methods_store.get(conn, intent.account_id, intent.payment_method or "")
        error = _error(None if method is None else render_method(method))
        failed = await intent_changes.save(conn, domain.failed(intent, error))
        await intent_changes.record(conn, told(change, failed, "payment_failed"))
        return domain.render(failed)

    await once.in_transaction(res, call, work)


def _error(method: Document | None) -> Document:
    error: Document = StripeError(_MESSAGE, code=FAILURE).document()["error"]
    return {**error, "type": "invalid_request_error", "payment_method": method}


async def _call(res: Resources, token: str) -> Call:
    """As if the intent's account had asked; without a key, for a form is sent but once."""
    async with res.db.acquire() as conn:
        intent = await store.find_by_token(conn, token)
    if intent is None:
        raise NothingToAuthenticate
    return replace(Call(Account(intent.account_id, "", 1.0, 1)), id=intent.id)


async def _locked(conn: Connection, call: Call, token: str) -> PaymentIntent:
    """Two clicks on the page have one winner."""
    intent = await store.lock(conn, call.account.id, call.id)
    if intent is None or intent.authentication_token != token or intent.status is not Status.REQUIRES_ACTION:
        raise NothingToAuthenticate
    return intent
