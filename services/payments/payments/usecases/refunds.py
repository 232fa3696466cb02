"""Refunds: reserved on the charge before the bank is asked, so that no race takes more than was captured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chassis.once import Answer
from chassis.postgres import Connection

from payments.dialect.calls import Call
from payments.dialect.errors import InvalidRequest, ResourceMissing
from payments.dialect.expand import Noun
from payments.dialect.lists import check_cursor, page_of, rendered_page
from payments.dialect.metadata import merged_metadata
from payments.domain import refunds as domain
from payments.domain.differences import previous_attributes
from payments.domain.ids import new_id
from payments.domain.operations import Kind, Operation
from payments.domain.refunds import Refund, Refundable, RefundError
from payments.resources import Resources
from payments.store import refunds as store
from payments.usecases import events, once, operations
from payments.usecases.refund_outcomes import HANDLER, Told

Document = dict[str, Any]


class RefundRefused(InvalidRequest):
    """The state of the charge or refund does not allow it."""

    kept = True


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Of which charge or intent, how much; `amount` in minor units, None for all that is left."""

    charge: str | None
    payment_intent: str | None
    amount: int | None
    currency: str | None
    reason: str | None
    metadata: dict[str, str]


async def create(res: Resources, call: Call) -> Answer:
    """Refund a charge: 200 "succeeded", "failed", or "pending" while nobody knows what the bank did.

    Raises ResourceMissing, RefundRefused (nothing captured, nothing or too little left).
    """
    wanted = _wanted(call)

    async def begin(conn: Connection) -> Operation:
        at = res.clock.now()
        charge = await _lock_charge(conn, call.account.id, wanted)
        refund = _new(call, charge, wanted, at)
        await store.reserve(conn, refund)
        return operations.operation(
            call,
            at,
            kind=Kind.REFUND,
            intent_id=charge.payment_intent,
            amount=refund.amount,
            currency=refund.currency,
            refund_id=refund.id,
            bank_charge_id=charge.bank_charge_id,
        )

    return await operations.perform(res, call, HANDLER, begin)


def _wanted(call: Call) -> _Wanted:
    params = call.params
    charge, intent = params.get("charge"), params.get("payment_intent")
    if charge is None and intent is None:
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or charge.",
            "payment_intent",
            "parameter_missing",
        )
    for name in ("refund_application_fee", "reverse_transfer"):
        if params.get(name):
            raise InvalidRequest(f"The charge has nothing that {name} could give back.", name)
    return _Wanted(
        charge=charge,
        payment_intent=intent,
        amount=params.get("amount"),
        currency=params.get("currency"),
        reason=params.get("reason"),
        metadata=merged_metadata({}, params.get("metadata")),
    )


async def _lock_charge(conn: Connection, account_id: str, wanted: _Wanted) -> Refundable:
    if wanted.charge is not None:
        charge = await store.lock_charge(conn, account_id, wanted.charge)
        if charge is None:
            raise await _why_not_charge(conn, account_id, wanted.charge)
        if wanted.payment_intent not in {None, charge.payment_intent}:
            raise InvalidRequest(
                f"Charge {charge.id} is not one of PaymentIntent {wanted.payment_intent}.", "payment_intent"
            )
        return charge
    intent_id = wanted.payment_intent or ""
    charge = await store.lock_charge_of_intent(conn, account_id, intent_id)
    if charge is None:
        if not await store.intent_exists(conn, account_id, intent_id):
            raise ResourceMissing("payment_intent", intent_id, "payment_intent")
        raise RefundRefused(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.",
            "payment_intent",
            "payment_intent_unexpected_state",
        )
    return charge


async def _why_not_charge(conn: Connection, account_id: str, charge_id: str) -> InvalidRequest:
    status = await store.charge_status(conn, account_id, charge_id)
    if status is None:
        return ResourceMissing("charge", charge_id, "charge")
    why = (
        "did not succeed" if status == "failed" else "has not been captured; cancel its PaymentIntent instead"
    )
    return RefundRefused(f"Charge {charge_id} {why}.", "charge", "charge_not_refundable")


def _new(call: Call, charge: Refundable, wanted: _Wanted, at: datetime) -> Refund:
    if wanted.currency not in {None, charge.currency}:
        raise InvalidRequest(f"The charge's currency is {charge.currency}.", "currency")
    try:
        amount = domain.amount_of(charge, wanted.amount)
    except RefundError as error:
        raise RefundRefused(error.message, error.param, error.code) from error
    return Refund(
        id=new_id("re"),
        account_id=call.account.id,
        charge=charge.id,
        payment_intent=charge.payment_intent,
        amount=amount,
        currency=charge.currency,
        status=domain.PENDING,
        reason=wanted.reason,
        failure_reason=None,
        metadata=wanted.metadata,
        bank_refund_id=None,
        balance_transaction=None,
        failure_balance_transaction=None,
        announced=False,
        version=1,
        created_at=at,
        updated_at=at,
    )


async def retrieve(res: Resources, call: Call) -> Document:
    """Raises ResourceMissing; under a charge's address also for a refund of another charge."""
    *charge, refund_id = call.ids
    async with res.db.acquire() as conn:
        refund = await store.get(conn, call.account.id, refund_id)
    if refund is None or charge not in ([], [refund.charge]):
        raise ResourceMissing("refund", refund_id)
    return domain.render(refund)


async def update(res: Resources, call: Call) -> Answer:
    """Merge metadata; nothing else of a refund changes. Raises ResourceMissing."""

    async def work(conn: Connection) -> Document:
        at = res.clock.now()
        before = await store.lock(conn, call.account.id, call.id)
        if before is None:
            raise ResourceMissing("refund", call.id)
        shown = domain.render(before)
        if "metadata" not in call.params:
            return shown
        metadata = merged_metadata(before.metadata, call.params["metadata"])
        if metadata == before.metadata:
            return shown
        after = await store.set_metadata(conn, before.id, metadata, at)
        document = domain.render(after)
        told = Told(after, request_id=call.request_id, key=call.key)
        await events.record_all(conn, told.updated(document, previous_attributes(shown, document), at))
        return document

    return await once.in_transaction(res, call, work)


async def cancel(res: Resources, call: Call) -> Answer:
    """Always refused, since no refund here waits for an action. Raises ResourceMissing, RefundRefused."""

    async def work(conn: Connection) -> Document:
        refund = await store.get(conn, call.account.id, call.id)
        if refund is None:
            raise ResourceMissing("refund", call.id)
        raise RefundRefused(
            f"This refund has the status {refund.status}; only one that requires action can be canceled."
        )

    return await once.in_transaction(res, call, work)


async def list_refunds(res: Resources, call: Call) -> Document:
    """Newest first; of a charge, of an intent, of all. Raises ResourceMissing for what these name."""
    page, account_id = page_of(call), call.account.id
    charge, intent = call.id or call.params.get("charge"), call.params.get("payment_intent")
    async with res.db.acquire() as conn:

        async def exists(refund_id: str) -> bool:
            return await store.get(conn, account_id, refund_id) is not None

        await check_cursor(page, "refund", exists)
        if charge is not None and await store.charge_status(conn, account_id, charge) is None:
            raise ResourceMissing("charge", charge, "id" if call.id else "charge")
        if intent is not None and not await store.intent_exists(conn, account_id, intent):
            raise ResourceMissing("payment_intent", intent, "payment_intent")
        parents = [parent for parent in (charge, intent) if parent is not None]
        if parents:
            rows = await store.page_of(conn, account_id, page, (parents[0], parents[-1]))
        else:
            rows = await store.page(conn, account_id, page)
    url = f"/v1/charges/{call.id}/refunds" if call.id else "/v1/refunds"
    return rendered_page(url, rows, page, domain.render)


async def _load(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Document]:
    return {row.id: domain.render(row) for row in await store.fetch_many(conn, account_id, ids)}


NOUN: Final = Noun(
    "refund",
    "re",
    _load,
    {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
)
