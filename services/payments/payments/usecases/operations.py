"""One road for every call to the bank: begin in a transaction, call, settle in another (ADR-0005).

perform   first: the client's key is claimed, the subject locked and moved, the operation written ('calling')
          then the bank is called, outside of any transaction, with the operation's own key
          last: the operation is closed, the subject settled, the answer stored under the client's key

A crash in between leaves an operation whose lease runs out. Whoever finds it, the reconciler or a repeat of
the client's request, takes it over under a higher fencing token and sends the bank the same key: the bank
acts once. An owner that stalled meanwhile finds another token and writes nothing. An outcome that nobody
knows is a state, 'unknown', and the reconciler's to resolve.
"""

import os
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from chassis import idempotency
from chassis.idempotency import Claimed
from chassis.logs import get_logger
from chassis.once import Answer, Repeatable
from chassis.postgres import Connection
from chassis.telemetry import current_traceparent

from payments.dialect import expand
from payments.dialect.calls import Account, Call
from payments.dialect.errors import ApiError, KeyInUse, StripeError, Unavailable, UnexpectedState
from payments.domain.ids import new_id
from payments.domain.operations import Kind, Known, Operation, Outcome, State, Unknown, recorded
from payments.resources import Resources
from payments.store import operations as store
from payments.usecases import money_metrics, once

_log = get_logger(__name__)

BACKOFF_DOUBLINGS_MAX: Final = 16
OWNER: Final = f"{socket.gethostname()}:{os.getpid()}"

Document = dict[str, Any]
Begin = Callable[[Connection], Awaitable[Operation | Answer | Document]]
"""Locks and moves the subject; an Answer or a document ends the request without a call."""


Shortcut = Callable[[Connection, Repeatable, datetime, datetime], Awaitable[Operation | None]]
"""`shortcut(conn, key, at, due_at)` writes the key and all the rest in one statement, if the key is new.

None: it is not, nothing was written, and `begin` is to find out why.
"""


class Handler(Protocol):
    """What a kind of operation does to its subject; both run in the last transaction, under its lock.

    A document is expanded as the client asked; a refusal is `error.answer()`. The reconciler drops either
    unless the client's key still waits for it.
    """

    noun: str

    async def settle(
        self, conn: Connection, op: Operation, outcome: Known, at: datetime
    ) -> Answer | Document:
        """Apply what the bank said: subject, ledger, events."""
        ...

    async def unknown(self, conn: Connection, op: Operation, at: datetime) -> Answer | Document:
        """Tell that the outcome is not known yet; called once an operation at most."""
        ...


class Overtaken(Exception):  # noqa: N818 the field's word
    """Another owner has taken the operation up: what this one holds must not be written."""


def operation(
    call: Call,
    at: datetime,
    *,
    kind: Kind,
    intent_id: str,
    amount: int,
    currency: str,
    context: dict[str, Any] | None = None,
    refund_id: str | None = None,
    bank_charge_id: str | None = None,
) -> Operation:
    """What `begin` gives: a call to the bank that is to be made for this request; `amount` in minor units."""
    operation_id = new_id("bop")
    return Operation(
        id=operation_id,
        account_id=call.account.id,
        kind=kind,
        intent_id=intent_id,
        refund_id=refund_id,
        bank_charge_id=bank_charge_id,
        bank_key=operation_id,
        amount=amount,
        currency=currency,
        context=context or {},
        due_at=at,
        created_at=at,
        request_id=call.request_id,
        expand=call.expand,
        traceparent=current_traceparent(),
    )


async def perform(
    res: Resources, call: Call, handler: Handler, begin: Begin, shortcut: Shortcut | None = None
) -> Answer:
    """Do what `begin` prepares, once for the client's key, and answer within two calls' time.

    Raises Unavailable before anything began, KeyInUse, IdempotencyMismatch, and what `begin` raises; kept
    errors of `begin` become the stored answer.
    """
    return await res.once.run(call.once, lambda: _perform(res, call, handler, begin, shortcut))


async def _perform(
    res: Resources, call: Call, handler: Handler, begin: Begin, shortcut: Shortcut | None
) -> Answer:
    async with res.bank.permit() as permit:
        begun: Operation | Answer | None = None
        if shortcut is not None and permit is not None:
            begun = await _cut_short(res, call, shortcut)
        if begun is None:
            begun = await _begin_or_keep(res, call, begin, admitted=permit is not None)
        if isinstance(begun, Answer):
            return begun
        assert permit is not None  # noqa: S101 _begin refuses without
        outcome = await permit.call(begun)
    try:
        return await conclude(res, handler, begun, outcome)
    except Overtaken:
        return await _answer_of_other(res, call)


async def _cut_short(res: Resources, call: Call, shortcut: Shortcut) -> Operation | None:
    if call.once is None:
        return None
    at = res.clock.now()
    due_at = at + timedelta(seconds=res.settings.operation_lease_s)
    async with res.db.acquire() as conn:
        op = await shortcut(conn, call.once, at, due_at)
    if op is not None:
        idempotency.OUTCOMES.labels("claimed").inc()
    return op


async def _begin_or_keep(res: Resources, call: Call, begin: Begin, *, admitted: bool) -> Operation | Answer:
    try:
        return await _begin(res, call, begin, admitted=admitted)
    except StripeError as error:
        if not error.kept or call.once is None:
            raise
        return await once.keep(res, call, error.answer())


async def _begin(res: Resources, call: Call, begin: Begin, *, admitted: bool) -> Operation | Answer:
    """The first transaction."""
    at = res.clock.now()
    due_at = at + timedelta(seconds=res.settings.operation_lease_s)
    async with res.db.acquire() as conn, conn.transaction():
        claimed = await _claim(res, conn, call, at)
        if isinstance(claimed, Answer):
            return claimed
        resumes = claimed is not None and claimed.fencing > 1
        begun = await (_resume(conn, claimed, at, due_at) if resumes and claimed else begin(conn))
        if not isinstance(begun, Operation):
            answer = once.stamped(call, await once.answer_of(res, conn, call, begun))
            await _finish(conn, claimed, answer)
            return answer
        if not admitted:
            raise Unavailable("The card network cannot be reached just now; try again.")
        if resumes:
            return begun
        begun = replace(begun, due_at=due_at, **_claim_of(claimed))
        if not await store.insert(conn, begun):
            raise UnexpectedState("Another operation of this PaymentIntent is in progress; try again.")
        return begun


async def _claim(res: Resources, conn: Connection, call: Call, at: datetime) -> Claimed | Answer | None:
    key = call.once
    if key is None:
        return None
    claimed = await idempotency.claim(
        conn,
        key.scope,
        key.key,
        key.fingerprint,
        owner=OWNER,
        lease_s=res.settings.operation_lease_s,
        now=at,
    )
    return claimed if isinstance(claimed, Claimed) else res.once.stored(claimed)


async def _resume(conn: Connection, claimed: Claimed, at: datetime, due_at: datetime) -> Operation:
    """A repeat of a request whose process died: go on where it stopped."""
    op = await store.take_over_key(conn, claimed.scope, claimed.key, claimed.fencing, at=at, due_at=due_at)
    if op is None:
        # The reconciler is at it.
        raise KeyInUse
    _log.info("operation.resumed", operation=op.id, kind=op.kind, fencing=op.fencing)
    return op


async def conclude(res: Resources, handler: Handler, op: Operation, outcome: Outcome) -> Answer:
    """The last transaction: apply what the bank said, or note that nobody knows; raises Overtaken."""
    try:
        async with res.db.acquire() as conn, conn.transaction():
            answer = await _apply(res, conn, handler, op, outcome)
    except (Overtaken, idempotency.Fenced):
        money_metrics.OPERATIONS_FENCED.inc()
        _log.warning("operation.fenced", operation=op.id, kind=op.kind, fencing=op.fencing)
        raise Overtaken from None
    money_metrics.record_outcome(op, outcome)
    return answer


async def _apply(
    res: Resources, conn: Connection, handler: Handler, op: Operation, outcome: Outcome
) -> Answer:
    at = res.clock.now()
    if isinstance(outcome, Unknown):
        result = await _note_unknown(res, conn, handler, op, outcome, at)
    elif await store.close(conn, op.id, op.fencing, outcome=recorded(outcome), at=at):
        result = await handler.settle(conn, op, outcome, at)
    else:
        raise Overtaken
    answer = await _answer(res, conn, handler, op, result)
    if op.key is not None and op.state is State.CALLING:
        await _finish(conn, _claim_to_finish(op), answer)
    return answer


async def _note_unknown(
    res: Resources, conn: Connection, handler: Handler, op: Operation, outcome: Unknown, at: datetime
) -> Answer | Document:
    due_at = at + timedelta(seconds=pause_s(res, op.attempts))
    if not await store.postpone(conn, op.id, op.fencing, reason=outcome.reason, due_at=due_at, at=at):
        raise Overtaken
    if op.state is State.UNKNOWN:
        return {}
    _log.warning("operation.unknown", operation=op.id, kind=op.kind, reason=outcome.reason)
    return await handler.unknown(conn, op, at)


def pause_s(res: Resources, attempts: int) -> float:
    """Before the bank is asked again: doubled each time up to a maximum, with jitter."""
    settings = res.settings
    doubled = settings.reconcile_backoff_s * 2.0 ** min(attempts - 1, BACKOFF_DOUBLINGS_MAX)
    return min(settings.reconcile_backoff_max_s, doubled) * random.uniform(0.5, 1.0)  # noqa: S311 jitter


async def _answer(
    res: Resources, conn: Connection, handler: Handler, op: Operation, result: Answer | Document
) -> Answer:
    if isinstance(result, Answer):
        answer = result
    elif op.expand:
        account = Account(op.account_id, "", 1.0, 1)
        call = Call(account, request_id=op.request_id, expand=op.expand, noun=handler.noun)
        answer = Answer.of(await expand.apply(res.nouns, conn, call, result))
    else:
        answer = Answer.of(result)
    return replace(answer, headers={**answer.headers, "Request-Id": op.request_id})


async def _answer_of_other(res: Resources, call: Call) -> Answer:
    """What the owner that overtook us has answered."""
    if call.once is None:
        raise ApiError("The request was finished by another process: retrieve the object to see its state.")
    async with res.db.acquire() as conn, conn.transaction():
        answer = await _claim(res, conn, call, res.clock.now())
        if isinstance(answer, Answer):
            return answer
        raise KeyInUse


async def _finish(conn: Connection, claimed: Claimed | None, answer: Answer) -> None:
    if claimed is not None:
        await idempotency.finish(conn, claimed, answer.status, answer.headers, answer.body)


def _claim_of(claimed: Claimed | None) -> dict[str, Any]:
    if claimed is None:
        return {}
    return {"scope": claimed.scope, "key": claimed.key, "key_fencing": claimed.fencing}


def _claim_to_finish(op: Operation) -> Claimed:
    assert op.scope is not None  # noqa: S101 the table says so
    assert op.key is not None  # noqa: S101
    assert op.key_fencing is not None  # noqa: S101
    return Claimed(op.scope, op.key, op.key_fencing)
