"""Authorise, capture, void, refund: each moves money once a key."""

from dataclasses import replace
from datetime import UTC, datetime

from chassis import idempotency
from chassis.postgres import Connection

from bank.domain import ids
from bank.domain.cards import CARDS
from bank.domain.charges import GENERIC_DECLINE, Authorisation, Charge, Refund, Status
from bank.problems import AmountTooLarge, ChargeNotFound, Declined, KeyInFlight, KeyMismatch, WrongState
from bank.store import charges as store
from bank.usecases.once import SCOPE, Answer, Resources, once

CREATED, OK = 201, 200


async def authorise(bank: Resources, wanted: Authorisation, *, key: str, declined: bool) -> Answer:
    """Key, charge and answer are one statement; only a repeat costs a second one."""
    charge = Charge.of(
        wanted, charge_id=ids.new_charge_id(), key=key, at=datetime.now(UTC), declined=declined
    )
    answer = Answer.of(CREATED, charge.rendered(), charge.status)
    digest = idempotency.fingerprint(["authorise", wanted])
    async with bank.db.acquire() as conn:
        if await store.insert_with_key(
            conn, charge, scope=SCOPE, fingerprint=digest, status=answer.status, body=answer.body
        ):
            return answer
        row = await store.answer_of_key(conn, SCOPE, key)
    if row is None:
        raise KeyInFlight
    if row["fingerprint"] != digest:
        raise KeyMismatch
    return Answer(row["response_status"], row["response_body"], replayed=True)


async def capture(bank: Resources, charge_id: str, amount: int, *, key: str, declined: bool) -> Answer:
    """Once a charge, up to its amount; what is not captured is released."""

    async def work(conn: Connection) -> Answer:
        charge = await _locked(conn, charge_id, Status.AUTHORISED)
        if amount > charge.amount:
            raise AmountTooLarge(f"{charge.amount} is authorised.", available=charge.amount)
        if declined:
            return Answer.refusing(Declined(decline_code=GENERIC_DECLINE), "declined")
        await store.capture(conn, charge.id, amount)
        captured = replace(charge, captured=amount, status=Status.CAPTURED)
        return Answer.of(OK, captured.rendered(), captured.status)

    return await once(bank, key, ["capture", charge_id, amount], work)


async def void(bank: Resources, charge_id: str, *, key: str, declined: bool) -> Answer:
    """Releases what is authorised and not captured."""

    async def work(conn: Connection) -> Answer:
        charge = await _locked(conn, charge_id, Status.AUTHORISED)
        if declined:
            return Answer.refusing(Declined(decline_code=GENERIC_DECLINE), "declined")
        await store.void(conn, charge.id)
        voided = replace(charge, status=Status.VOIDED)
        return Answer.of(OK, voided.rendered(), voided.status)

    return await once(bank, key, ["void", charge_id], work)


async def refund(
    bank: Resources, charge_id: str, amount: int, reference: str | None, *, key: str, declined: bool
) -> Answer:
    """Any number a charge, together never above what was captured; the failed ones do not count."""

    async def work(conn: Connection) -> Answer:
        charge = await _locked(conn, charge_id, Status.CAPTURED)
        if amount > charge.refundable:
            raise AmountTooLarge(f"{charge.refundable} is left to refund.", available=charge.refundable)
        made = Refund(
            id=ids.new_refund_id(),
            charge_id=charge.id,
            idempotency_key=key,
            amount=amount,
            failure_reason="declined" if declined else CARDS[charge.card].refund_failure,
            reference=reference,
            created_at=datetime.now(UTC),
        )
        await store.insert_refund(conn, made)
        return Answer.of(CREATED, made.rendered(), "refunded" if made.failure_reason is None else "failed")

    return await once(bank, key, ["refund", charge_id, amount, reference], work)


async def find(bank: Resources, charge_id: str) -> Charge:
    async with bank.db.acquire() as conn:
        charge = await store.get(conn, charge_id)
    if charge is None:
        raise ChargeNotFound
    return charge


async def find_by_key(bank: Resources, key: str) -> Charge:
    async with bank.db.acquire() as conn:
        charge = await store.get_by_key(conn, key)
    if charge is None:
        raise ChargeNotFound
    return charge


async def read_book(bank: Resources, *, limit: int, starting_after: str) -> tuple[list[Charge], bool]:
    """A page of the book, oldest first, and whether there are more."""
    async with bank.db.acquire() as conn:
        found = await store.page(conn, starting_after, limit + 1)
    return found[:limit], len(found) > limit


async def _locked(conn: Connection, charge_id: str, wanted: Status) -> Charge:
    charge = await store.lock(conn, charge_id)
    if charge is None:
        raise ChargeNotFound
    if charge.status is not wanted:
        raise WrongState(f"The charge is {charge.status}.", charge_status=charge.status)
    return charge
