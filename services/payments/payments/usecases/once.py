"""One effect and one answer an Idempotency-Key: the two shapes of a POST that has no call to the outside.

`in_transaction`  any work: claim, work, answer, commit.
`in_statement`    a plain create: key, rows and answer in ONE statement, no transaction, one round trip.

The statement (store/customers.py has one) reads the key, inserts it with the answer where there was none, and
the rows where it did; its row tells whether it `created`, and else what stood under the key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final

from asyncpg import Record
from chassis import idempotency
from chassis.once import Answer, finish
from chassis.postgres import PASSING, Connection
from chassis.problems import Problem, note_unforeseen

from payments.dialect import expand
from payments.dialect.calls import Call, Kept
from payments.dialect.errors import InternalFailure, KeyInUse, StripeError
from payments.resources import Resources

_EXPECTED: Final = (StripeError, Problem, *PASSING)

Work = Callable[[Connection], Awaitable[Answer | dict[str, Any]]]


async def in_transaction(res: Resources, call: Call, work: Work) -> Answer:
    """Claim the key, do `work`, store its answer, in one transaction; without a key only the work.

    A document that `work` gives is expanded as the call asks. A StripeError that is kept, and an unforeseen
    error, undo the work and become the stored answer; every other StripeError leaves the key free. Raises
    KeyInUse, IdempotencyMismatch and what `work` raises.
    """
    return await res.once.run(call.once, lambda: _kept(res, call, lambda: _transact(res, call, work)))


async def _transact(res: Resources, call: Call, work: Work) -> Answer:
    async with res.db.acquire() as conn, conn.transaction():
        claimed = await res.once.claim(conn, call.once, now=res.clock.now())
        if isinstance(claimed, Answer):
            return claimed
        answer = stamped(call, await answer_of(res, conn, call, await work(conn)))
        await finish(conn, claimed, answer)
        return answer


async def _kept(res: Resources, call: Call, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        async with _Failures(call):
            return await attempt()
    except StripeError as error:
        if not error.kept or call.once is None:
            raise
        return await keep(res, call, error.answer())


async def keep(res: Resources, call: Call, answer: Answer) -> Answer:
    """Store the answer of work that was undone; whoever took the key in between has the say."""

    async def undone(_conn: Connection) -> Answer:
        return answer

    return await _transact(res, call, undone)


class _Failures:
    """Makes the failure that nobody foresaw a kept one: its work is undone, a repeat gets the same 500."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aenter__(self) -> None:
        """Nothing to prepare."""

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._call.once is None or not isinstance(error, Exception) or isinstance(error, _EXPECTED):
            return
        note_unforeseen(error)
        raise InternalFailure from error


async def answer_of(res: Resources, conn: Connection, call: Call, outcome: Answer | dict[str, Any]) -> Answer:
    """The answer of a document, with what the call wants expanded."""
    if isinstance(outcome, Answer):
        return outcome
    return Answer.of(await expand.apply(res.nouns, conn, call, outcome))


def stamped(call: Call, answer: Answer) -> Answer:
    """The answer with the id of the request that made it, which a replay tells as Original-Request."""
    return replace(answer, headers={**answer.headers, "Request-Id": call.request_id})


Statement = Callable[[Connection, Kept], Awaitable[Record | None]]


async def in_statement(
    res: Resources, call: Call, document: dict[str, Any], at: datetime, statement: Statement
) -> Answer:
    """Create what `document` shows by one statement that gives the row of the pattern above.

    Raises KeyInUse, IdempotencyMismatch.
    """
    return await res.once.run(
        call.once, lambda: _kept(res, call, lambda: _state(res, call, document, at, statement))
    )


async def _state(
    res: Resources, call: Call, document: dict[str, Any], at: datetime, statement: Statement
) -> Answer:
    key = call.once
    async with res.db.acquire() as conn:
        answer = stamped(call, await answer_of(res, conn, call, document))
        kept = Kept(
            scope=key.scope if key is not None else "",
            key=key.key if key is not None else None,
            fingerprint=key.fingerprint if key is not None else b"",
            at=at,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
        )
        for _ in range(idempotency.CLAIM_ATTEMPTS_MAX):
            outcome = idempotency.read_created(await statement(conn, kept), kept.fingerprint)
            if outcome == "created":
                return answer
            if outcome is not None:
                return res.once.stored(outcome)
    raise KeyInUse
