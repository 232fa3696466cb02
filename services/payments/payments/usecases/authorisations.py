"""Paying: an intent and its payment method go to the bank, and what the bank said becomes a charge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import CardDeclined
from payments.domain import charges as charge_domain
from payments.domain import fees
from payments.domain import payment_intents as domain
from payments.domain.card import Authentication
from payments.domain.cards import bypasses_pending
from payments.domain.charges import Charge
from payments.domain.declines import Decline, decline_of
from payments.domain.ids import new_id, new_secret
from payments.domain.operations import Declined, Done, Kind, Known, Operation
from payments.domain.payment_intents import PaymentIntent
from payments.domain.payment_methods import PaymentMethod
from payments.domain.payment_methods import render as render_method
from payments.resources import Resources
from payments.store import attempts
from payments.store import customers as customers_store
from payments.usecases import attachments, intent_changes, ledger
from payments.usecases.attachments import Change
from payments.usecases.intent_changes import change_of, told, told_charge
from payments.usecases.operations import operation

Document = dict[str, Any]

AUTHENTICATION_REQUIRED: Final = "authentication_required"
PROCESSING_ERROR: Final = "processing_error"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a payment is made. `off_session`: nobody is there to authenticate; `refuse_action`: nor wanted."""

    off_session: bool = False
    refuse_action: bool = False

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "Attempt":
        return cls(bool(params.get("off_session")), bool(params.get("error_on_requires_action")))

    def needs_authentication(self, method: PaymentMethod) -> bool:
        return method.card.needs_authentication(off_session=self.off_session, set_up=method.set_up)

    @property
    def alone(self) -> bool:
        return self.off_session or self.refuse_action


async def start(
    res: Resources,
    conn: Connection,
    call: Call,
    intent: PaymentIntent,
    method: PaymentMethod,
    attempt: Attempt,
) -> Operation | Answer | Document:
    """Move a locked intent to the bank, or to authentication first; what `perform` takes from `begin`."""
    change = Change.of(call, res.clock.now())
    intent = replace(intent, payment_method=method.id)
    if attempt.needs_authentication(method) and not intent.authenticated:
        return await _authenticate(conn, change, intent, method, attempt, _page_url(res))
    await intent_changes.save(conn, domain.confirming(intent))
    return asked(res, call, change.at, intent, method, attempt)


def asked(
    res: Resources, call: Call, at: datetime, intent: PaymentIntent, method: PaymentMethod, attempt: Attempt
) -> Operation:
    """The call to the bank that is to be made."""
    card = method.card
    return operation(
        call,
        at,
        kind=Kind.AUTHORISE,
        intent_id=intent.id,
        amount=intent.amount,
        currency=intent.currency,
        context={
            "card": card.bank_token,
            "capture": not intent.captures_later,
            # Exempt counts as authenticated: the bank takes our word for it.
            "authenticated": intent.authenticated or card.authentication is not Authentication.NEVER,
            "payment_method": method.id,
            "off_session": attempt.off_session,
            "refuse_action": attempt.refuse_action,
            "page_url": _page_url(res),
        },
    )


def _page_url(res: Resources) -> str:
    return res.settings.public_base_url.rstrip("/") + "/authenticate/"


async def _authenticate(
    conn: Connection,
    change: Change,
    intent: PaymentIntent,
    method: PaymentMethod,
    attempt: Attempt,
    page_url: str,
) -> Answer | Document:
    if attempt.alone:
        return await _fail(conn, change, intent, method, decline_of(AUTHENTICATION_REQUIRED), None)
    token = new_secret()
    waiting = domain.requiring_action(intent, token, page_url + token, intent.details.get("return_url"))
    waiting = await intent_changes.save(conn, waiting)
    await intent_changes.record(conn, told(change, waiting, "requires_action"))
    return domain.render(waiting)


class AuthoriseHandler:
    noun = "payment_intent"

    async def settle(
        self, conn: Connection, op: Operation, outcome: Known, at: datetime
    ) -> Answer | Document:
        intent, method = await _subjects(conn, op)
        change = change_of(op, at)
        if isinstance(outcome, Done):
            return await _succeed(conn, change, intent, method, outcome.document)
        code = outcome.code if isinstance(outcome, Declined) else PROCESSING_ERROR
        attempt = Attempt(op.context["off_session"], op.context["refuse_action"])
        if code == AUTHENTICATION_REQUIRED and not attempt.alone:
            return await _authenticate(conn, change, intent, method, attempt, op.context["page_url"])
        bank_charge_id = outcome.document.get("id") if isinstance(outcome, Declined) else None
        return await _fail(conn, change, intent, method, decline_of(code), bank_charge_id)

    async def unknown(self, conn: Connection, op: Operation, at: datetime) -> Document:
        intent, _ = await _subjects(conn, op)
        await intent_changes.record(conn, told(change_of(op, at), intent, "processing"))
        return domain.render(intent)


HANDLER: Final = AuthoriseHandler()


async def _subjects(conn: Connection, op: Operation) -> tuple[PaymentIntent, PaymentMethod]:
    found = await attempts.lock(conn, op.account_id, op.intent_id, op.context["payment_method"])
    if found is None:
        raise LookupError(f"operation {op.id} has lost its intent or payment method")
    return found


async def _succeed(
    conn: Connection,
    change: Change,
    intent: PaymentIntent,
    method: PaymentMethod,
    booked: Mapping[str, Any],
) -> Document:
    charge = charge_domain.of_attempt(
        new_id("ch"),
        intent,
        method,
        bank_charge_id=booked["id"],
        decline=None,
        authenticated=intent.authenticated,
        at=change.at,
    )
    if charge.captured:
        charge = replace(charge, balance_transaction=await post(conn, charge, charge.amount, change.at))
    keeps = method.customer_id is None and await _keep(conn, change, intent, method)
    paid = domain.authorised(intent, charge.id)
    paid = await intent_changes.end(conn, paid, charge, spends=method.customer_id is None and not keeps)
    kind = "succeeded" if charge.captured else "amount_capturable_updated"
    await intent_changes.record(conn, [told_charge(change, charge, "succeeded"), *told(change, paid, kind)])
    return domain.render(paid)


async def post(conn: Connection, charge: Charge, amount: int, at: datetime) -> str:
    """Book what was captured of the charge; gives the balance transaction's id."""
    last4 = charge.payment_method_details["card"]["last4"]
    return await ledger.post_charge(
        conn,
        account_id=charge.account_id,
        charge_id=charge.id,
        amount=amount,
        fee=fees.fee(amount, charge.currency),
        currency=charge.currency,
        at=at,
        available_on=fees.available_on(at, bypass_pending=bypasses_pending(last4)),
        description=charge.details.get("description"),
    )


async def _keep(conn: Connection, change: Change, intent: PaymentIntent, method: PaymentMethod) -> bool:
    """Attach a card that is nobody's to the customer, where that was wished."""
    customer = intent.customer
    if intent.setup_future_usage is None or customer is None:
        return False
    if not await customers_store.hold(conn, intent.account_id, customer):
        return False  # deleted meanwhile; the payment stands
    set_up = intent.setup_future_usage == "off_session"
    await attachments.attach(conn, change, method, customer, set_up=set_up)
    return True


async def _fail(
    conn: Connection,
    change: Change,
    intent: PaymentIntent,
    method: PaymentMethod,
    decline: Decline,
    bank_charge_id: str | None,
) -> Answer:
    charge = charge_domain.of_attempt(
        new_id("ch"),
        intent,
        method,
        bank_charge_id=bank_charge_id,
        decline=decline,
        authenticated=intent.authenticated,
        at=change.at,
    )
    error = CardDeclined(
        decline.code,
        decline.decline_code,
        decline.message,
        param=decline.param,
        charge=charge.id,
        payment_method=render_method(method),
    )
    declined = domain.failed(intent, error.document()["error"], charge.id)
    declined = await intent_changes.end(conn, declined, charge, spends=False)
    await intent_changes.record(
        conn, [told_charge(change, charge, "failed"), *told(change, declined, "payment_failed")]
    )
    error.members["payment_intent"] = domain.render(declined)
    return error.answer()
