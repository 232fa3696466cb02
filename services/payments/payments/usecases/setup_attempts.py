"""Setting a card up: accepted at once, after authentication, or declined."""

from dataclasses import replace
from typing import Any, Final

from chassis import metrics
from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.errors import CardDeclined, InvalidRequest
from payments.domain import setup_intents as domain
from payments.domain.ids import new_secret
from payments.domain.payment_methods import PaymentMethod
from payments.domain.payment_methods import render as render_method
from payments.domain.setup_intents import SetupIntent
from payments.resources import Resources
from payments.store import customers as customers_store
from payments.store import payment_methods as methods_store
from payments.store import setup_intents as store
from payments.usecases import attachments, events
from payments.usecases.attachments import Change
from payments.usecases.cards import refusal

Document = dict[str, Any]

# By it the authentication page tells a card that is set up from one that pays.
TOKEN_PREFIX: Final = "seti_"  # noqa: S105 what stands before the secret

_INTENTS: Final = metrics.counter(
    "payments_setup_intents_total", "Setup intents by the status they came to.", ("status",)
)


async def tell(conn: Connection, change: Change, intent: SetupIntent, what: str) -> Document:
    """Record `setup_intent.<what>`; gives the intent as it is shown."""
    document = domain.render(intent)
    await events.record_all(conn, [change.event(f"setup_intent.{what}", document)])
    _INTENTS.labels(intent.status).inc()
    return document


def check_owner(intent: SetupIntent, method: PaymentMethod) -> None:
    """Raises InvalidRequest when the payment method is another customer's."""
    if method.customer_id in (None, intent.customer_id):
        return
    if intent.customer_id is None:
        raise InvalidRequest(
            f"The PaymentMethod {method.id} belongs to the Customer {method.customer_id}. Please include the"
            " Customer in the `customer` parameter on the SetupIntent.",
            "payment_method",
        )
    raise InvalidRequest(
        f"The customer does not have a payment method with the ID {method.id}. The payment method supplied"
        " belongs to a different customer.",
        "payment_method",
    )


async def hold_customer(conn: Connection, intent: SetupIntent) -> str | None:
    """The intent's customer, kept while the transaction runs; before its payment method is locked.

    None when it has none, or it was deleted.
    """
    customer_id = intent.customer_id
    if customer_id is None or not await customers_store.hold(conn, intent.account_id, customer_id):
        return None
    return customer_id


async def attempt(
    conn: Connection, res: Resources, change: Change, intent: SetupIntent, method: PaymentMethod
) -> Answer | Document:
    """Set the card of a locked intent up, or send its holder to authenticate first."""
    card = method.card
    if card.declines_on_attach is not None:
        return await _decline(conn, change, intent, method)
    if card.needs_authentication_to_set_up:
        token = TOKEN_PREFIX + new_secret()
        page = f"{res.settings.public_base_url.rstrip('/')}/authenticate/{token}"
        waiting = domain.requiring_action(intent, token, page)
        await store.update(conn, waiting)
        return await tell(conn, change, waiting, "requires_action")
    return await succeed(conn, change, intent, method)


async def succeed(conn: Connection, change: Change, intent: SetupIntent, method: PaymentMethod) -> Document:
    """The card is ready; a customer who was deleted meanwhile keeps nothing."""
    set_up = method.set_up or intent.usage == domain.OFF_SESSION
    customer_id = await hold_customer(conn, intent)
    if customer_id is not None:
        await attachments.attach(conn, change, method, customer_id, set_up=set_up)
    else:
        await methods_store.update(conn, replace(method, checked=True, set_up=set_up))
    done = domain.succeeded(intent)
    await store.update(conn, done)
    return await tell(conn, change, done, "succeeded")


async def _decline(conn: Connection, change: Change, intent: SetupIntent, method: PaymentMethod) -> Answer:
    """The failure is committed: the answer is made here instead of raised."""
    error: CardDeclined = refusal(method.card.declines_on_attach, payment_method=render_method(method))
    error.members["setup_intent"] = await fail(conn, change, intent, error.document()["error"])
    return error.answer()


async def fail(conn: Connection, change: Change, intent: SetupIntent, error: Document) -> Document:
    """Another payment method is needed."""
    failed = domain.failed(intent, error)
    await store.update(conn, failed)
    return await tell(conn, change, failed, "setup_failed")
