"""What becomes of an authorisation: captured, in full or in part, or voided by a cancel."""

from datetime import datetime
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import CardDeclined, InvalidRequest
from payments.domain import charges as charge_domain
from payments.domain import payment_intents as domain
from payments.domain.charges import Charge
from payments.domain.declines import decline_of
from payments.domain.money import shown
from payments.domain.operations import Declined, Done, Kind, Known, Operation
from payments.domain.payment_intents import PaymentIntent
from payments.resources import Resources
from payments.store import charges as charge_store
from payments.store import payment_intents as store
from payments.usecases import intent_changes, intent_terms, operations
from payments.usecases.attachments import Change
from payments.usecases.authorisations import post
from payments.usecases.intent_changes import change_of, told, told_charge
from payments.usecases.payment_intents import check_secret, locked, require

Document = dict[str, Any]


async def capture(res: Resources, call: Call) -> Answer:
    """Take what was authorised, or a part of it once; the rest is released.

    Raises ResourceMissing, InvalidRequest, UnexpectedState, Unavailable.
    """

    async def begin(conn: Connection) -> Operation:
        intent = await locked(conn, call)
        require(intent, "capture", "captured", domain.CAPTURABLE)
        amount = _amount(intent, call.params)
        intent = intent_terms.changed_terms(intent, call.params)
        await intent_changes.save(conn, domain.asking(intent))
        charge = await _charge(conn, intent)
        return operations.operation(
            call,
            res.clock.now(),
            kind=Kind.CAPTURE,
            intent_id=intent.id,
            amount=amount,
            currency=intent.currency,
            bank_charge_id=charge.bank_charge_id,
        )

    return await operations.perform(res, call, CAPTURE, begin)


def _amount(intent: PaymentIntent, params: dict[str, Any]) -> int:
    amount: int = params.get("amount_to_capture", intent.amount_capturable)
    if amount > intent.amount_capturable:
        raise InvalidRequest(
            f"The amount to capture ({shown(amount, intent.currency)}) is greater than the amount that can be"
            f" captured ({shown(intent.amount_capturable, intent.currency)}).",
            "amount_to_capture",
            "amount_too_large",
        )
    if params.get("final_capture") is False:
        raise InvalidRequest(
            "This PaymentIntent can be captured once: `final_capture` may not be false.", "final_capture"
        )
    return amount


async def cancel(res: Resources, call: Call) -> Answer:
    """Give up an intent; what was authorised is voided at the bank.

    Raises ResourceMissing, UnexpectedState, Unavailable.
    """
    reason = call.params.get("cancellation_reason")

    async def begin(conn: Connection) -> Operation | Document:
        at = res.clock.now()
        intent = await locked(conn, call)
        check_secret(call, intent)
        require(intent, "cancel", "canceled", domain.CANCELABLE)
        if intent.status is not domain.Status.REQUIRES_CAPTURE:
            return await _cancel(conn, Change.of(call, at), intent, reason)
        await intent_changes.save(conn, domain.asking(intent))
        charge = await _charge(conn, intent)
        return operations.operation(
            call,
            at,
            kind=Kind.VOID,
            intent_id=intent.id,
            amount=intent.amount_capturable,
            currency=intent.currency,
            bank_charge_id=charge.bank_charge_id,
            context={"reason": reason},
        )

    return await operations.perform(res, call, VOID, begin)


async def _cancel(conn: Connection, change: Change, intent: PaymentIntent, reason: str | None) -> Document:
    gone = await intent_changes.save(conn, domain.canceled(intent, reason, change.at))
    await intent_changes.record(conn, told(change, gone, "canceled"))
    return domain.render(gone)


class _Handler:
    noun = "payment_intent"

    async def unknown(self, conn: Connection, op: Operation, at: datetime) -> Document:
        intent = await _locked(conn, op)
        await intent_changes.record(conn, told(change_of(op, at), intent, "processing"))
        return domain.render(intent)


class CaptureHandler(_Handler):
    async def settle(
        self, conn: Connection, op: Operation, outcome: Known, at: datetime
    ) -> Answer | Document:
        intent = await _locked(conn, op)
        change = change_of(op, at)
        if not isinstance(outcome, Done):
            return await _not_moved(conn, change, intent, outcome)
        charge = await _charge(conn, intent)
        charge = charge_domain.captured(charge, op.amount, await post(conn, charge, op.amount, at))
        await charge_store.capture(conn, charge)
        paid = await intent_changes.save(conn, domain.captured(intent, op.amount))
        await intent_changes.record(
            conn, [told_charge(change, charge, "captured"), *told(change, paid, "succeeded")]
        )
        return domain.render(paid)


class VoidHandler(_Handler):
    async def settle(
        self, conn: Connection, op: Operation, outcome: Known, at: datetime
    ) -> Answer | Document:
        intent = await _locked(conn, op)
        change = change_of(op, at)
        if not isinstance(outcome, Done):
            return await _not_moved(conn, change, intent, outcome)
        await charge_store.void(conn, op.account_id, intent.latest_charge or "")
        return await _cancel(conn, change, intent, op.context["reason"])


CAPTURE: Final = CaptureHandler()
VOID: Final = VoidHandler()


async def _not_moved(conn: Connection, change: Change, intent: PaymentIntent, outcome: Known) -> Answer:
    """The bank would not: the authorisation stands, or has run out there."""
    back = await intent_changes.save(conn, domain.not_moved(intent))
    await intent_changes.record(conn, told(change, back, "amount_capturable_updated"))
    if isinstance(outcome, Declined):
        decline = decline_of(outcome.code)
        code, decline_code, message = decline.code, decline.decline_code, decline.message
    else:
        code, decline_code = "charge_expired_for_capture", None
        message = "The authorization of the charge is no longer open at the bank."
    error = CardDeclined(
        code, decline_code, message, charge=back.latest_charge, payment_intent=domain.render(back)
    )
    return error.answer()


async def _locked(conn: Connection, op: Operation) -> PaymentIntent:
    intent = await store.lock(conn, op.account_id, op.intent_id)
    if intent is None:
        raise LookupError(f"operation {op.id} has no intent")
    return intent


async def _charge(conn: Connection, intent: PaymentIntent) -> Charge:
    charge = await charge_store.lock(conn, intent.account_id, intent.latest_charge or "")
    if charge is None:
        raise LookupError(f"{intent.id} has no charge")
    return charge
