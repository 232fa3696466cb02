"""What the bank said of a refund: booked, told, and its reservation given back when it failed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chassis.logs import get_logger
from chassis.postgres import Connection

from payments.domain import charges as charge_domain
from payments.domain import refunds as domain
from payments.domain.differences import previous_attributes
from payments.domain.operations import Declined, Done, Known, Operation, Refused
from payments.domain.refunds import Refund
from payments.store import charges as charge_store
from payments.store import refunds as store
from payments.usecases import events, ledger
from payments.usecases.events import Draft

_log = get_logger(__name__)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Makes the events of one change of a refund."""

    refund: Refund
    request_id: str | None
    key: str | None

    def draft(self, type_: str, document: Document, at: datetime, previous: Document | None = None) -> Draft:
        return Draft(
            account_id=self.refund.account_id,
            type=type_,
            object=document,
            at=at,
            request_id=self.request_id,
            idempotency_key=self.key,
            previous_attributes=previous,
            version=self.refund.version if type_.startswith("refund.") else None,
        )

    def updated(self, document: Document, previous: Document, at: datetime) -> list[Draft]:
        """Under both names that the dialect has for it."""
        return [
            self.draft("refund.updated", document, at, previous),
            self.draft("charge.refund.updated", document, at, previous),
        ]


class RefundHandler:
    """Both methods find the refund that tx 1 reserved, and lock its charge first."""

    noun = "refund"

    async def settle(self, conn: Connection, op: Operation, outcome: Known, at: datetime) -> Document:
        before = await _lock(conn, op)
        if isinstance(outcome, Done):
            after = await _succeed(conn, before, outcome.document["id"], at)
        else:
            after = await _fail(conn, before, outcome, at)
        document = domain.render(after)
        told = Told(after, op.request_id, op.key)
        if before.announced:
            drafts = told.updated(document, {"status": before.status}, at)
        else:
            drafts = [told.draft("refund.created", document, at)]
        if after.status == domain.FAILED:
            drafts.append(told.draft("refund.failed", document, at))
        else:
            charge, previous = await _charge(conn, after)
            drafts.append(told.draft("charge.refunded", charge, at, previous))
        await events.record_all(conn, drafts)
        return document

    async def unknown(self, conn: Connection, op: Operation, at: datetime) -> Document:
        pending = await store.announce(conn, (await _lock(conn, op)).id)
        document = domain.render(pending)
        await events.record_all(
            conn, [Told(pending, op.request_id, op.key).draft("refund.created", document, at)]
        )
        return document


HANDLER: Final = RefundHandler()


async def _lock(conn: Connection, op: Operation) -> Refund:
    refund = await store.lock(conn, op.account_id, op.refund_id or "")
    if refund is None:
        raise LookupError(f"operation {op.id} has no refund")
    return refund


async def _succeed(conn: Connection, refund: Refund, bank_refund_id: str, at: datetime) -> Refund:
    posted = await ledger.post_refund(conn, refund, at)
    return await store.succeed(
        conn, refund.id, bank_refund_id=bank_refund_id, balance_transaction=posted, at=at
    )


async def _fail(conn: Connection, refund: Refund, outcome: Known, at: datetime) -> Refund:
    """The money left the balance and came back: both are booked."""
    declined = outcome if isinstance(outcome, Declined) else None
    if isinstance(outcome, Refused):
        # It was within what our books say was captured: one of the two books is wrong.
        _log.error("refund.refused", refund=refund.id, charge=refund.charge, code=outcome.code)
    return await store.fail(
        conn,
        refund.id,
        bank_refund_id=None if declined is None else declined.document.get("id"),
        failure_reason=domain.failure_reason_of(None if declined is None else declined.code),
        balance_transaction=await ledger.post_refund(conn, refund, at),
        failure_balance_transaction=await ledger.post_refund_failure(conn, refund, at),
        at=at,
    )


async def _charge(conn: Connection, refund: Refund) -> tuple[Document, Document]:
    """The charge as it is after the refund, and what of it was different before."""
    [row] = await charge_store.fetch_many(conn, refund.account_id, [refund.charge])
    charge = charge_domain.render(row)
    before = charge | {"amount_refunded": row.amount_refunded - refund.amount, "refunded": False}
    return charge, previous_attributes(before, charge)
