"""The holder of a card that is being set up proves who they are, or fails to."""

from typing import Any, Final

from chassis.postgres import Connection

from payments.dialect.errors import StripeError
from payments.domain.payment_methods import render as render_method
from payments.domain.setup_intents import SetupIntent
from payments.resources import Resources
from payments.store import payment_methods as methods_store
from payments.store import setup_intents as store
from payments.usecases import setup_attempts
from payments.usecases.attachments import Change
from payments.usecases.authentications import Asked, NothingToAuthenticate

TOKEN_PREFIX: Final = setup_attempts.TOKEN_PREFIX
FAILURE: Final = "setup_intent_authentication_failure"
_MESSAGE: Final = (
    "The latest attempt to set up the payment method has failed because authentication failed. Provide"
    " another payment method to attempt to fulfill this SetupIntent again."
)


async def find(res: Resources, token: str) -> Asked:
    """Raises NothingToAuthenticate."""
    async with res.db.acquire() as conn:
        intent = await _found(conn, token)
    return Asked(
        title="Authenticate your card",
        description=intent.details.get("description"),
        return_url=intent.details.get("return_url"),
        noun="setup_intent",
        intent_id=intent.id,
        client_secret=intent.client_secret,
    )


async def succeed(res: Resources, token: str) -> bool:
    """The card is set up; whether that went well. Raises NothingToAuthenticate."""
    async with res.db.acquire() as conn, conn.transaction():
        intent = await _locked(conn, token)
        change = Change(intent.account_id, res.clock.now())
        await setup_attempts.hold_customer(conn, intent)
        method = await methods_store.lock(conn, intent.account_id, intent.payment_method_id or "")
        if method is None or method.spent or method.customer_id not in (None, intent.customer_id):
            # Detached, or another's, while the page was open.
            await _fail(conn, change, intent)
            return False
        await setup_attempts.succeed(conn, change, intent, method)
    return True


async def fail(res: Resources, token: str) -> None:
    """Another payment method is needed. Raises NothingToAuthenticate."""
    async with res.db.acquire() as conn, conn.transaction():
        intent = await _locked(conn, token)
        await _fail(conn, Change(intent.account_id, res.clock.now()), intent)


async def _fail(conn: Connection, change: Change, intent: SetupIntent) -> None:
    method = await methods_store.get(conn, intent.account_id, intent.payment_method_id or "")
    error: dict[str, Any] = StripeError(_MESSAGE, code=FAILURE).document()["error"]
    error |= {
        "type": "invalid_request_error",
        "payment_method": None if method is None else render_method(method),
    }
    await setup_attempts.fail(conn, change, intent, error)


async def _found(conn: Connection, token: str) -> SetupIntent:
    intent = await store.find_by_token(conn, token)
    if intent is None:
        raise NothingToAuthenticate
    return intent


async def _locked(conn: Connection, token: str) -> SetupIntent:
    """Two clicks on the page have one winner: the token stands while there is something to authenticate."""
    seen = await _found(conn, token)
    intent = await store.lock(conn, seen.account_id, seen.id)
    if intent is None or intent.authentication_token != token:
        raise NothingToAuthenticate
    return intent
