"""The executor of money steps: claim in a statement, call outside of any transaction, settle in another.

A crash in between leaves a saga whose lease runs out. Whoever finds it claims it under a higher fencing token
and makes the same call under the same key: the far end acts once. An owner that stalled meanwhile finds
another token and writes nothing. An outcome that nobody knows is asked for again, with a growing pause.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import asyncpg
from asyncpg import Record
from chassis.logs import get_logger
from chassis.postgres import PASSING, Pool
from chassis.retry import Stop, pause_s

from orders.domain.calls import OPERATIONS, Answer, Call, facts_of
from orders.domain.saga import State
from orders.payments import Payments
from orders.resources import now
from orders.settings import OrdersSettings
from orders.store import sagas as store
from orders.usecases.saga import Change, Moved, advance, terms_of

_log = get_logger(__name__)

Done = tuple[Call, Answer]
# A step that cannot settle for a reason of its own stops no other.
_UNSETTLED: Final[tuple[type[Exception], ...]] = (asyncpg.PostgresError, LookupError, ValueError)


class Executor:
    """Any number may run. At most `stripe_calls_max` calls are under way or wait to be settled.

    What ends while a transaction runs is settled together in the next one, so batches grow with the load.
    """

    def __init__(
        self,
        settings: OrdersSettings,
        db: Pool,
        payments: Payments,
        *,
        told: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`told` is called after a commit that has left events in the outbox."""
        self._settings = settings
        self._db = db
        self._payments = payments
        self._told = told
        self._now = clock
        self._terms = terms_of(settings)
        self._calls: set[asyncio.Task[None]] = set()
        self._done: list[Done] = []
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do: after the commit of whoever made a step due."""
        self._woken.set()

    async def run(self, stop: Stop) -> None:
        """Until `stop`: then the calls under way are ended and settled."""
        while not (stop.is_set() and not self._calls and not self._done):
            self._woken.clear()
            try:
                again = await self.turn(claiming=not stop.is_set())
            except PASSING as error:
                _log.info("steps.postponed", error=type(error).__name__)
                again = False
                await asyncio.sleep(self._settings.saga_poll_s)
            if not again:
                await self._rest()

    async def _rest(self) -> None:
        """Until there is something to do; while other calls are about to end, a moment longer, for them."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._settings.saga_poll_s)
        if self._calls:
            await asyncio.sleep(self._settings.saga_linger_s)

    async def turn(self, *, claiming: bool = True) -> bool:
        """Settle what has ended, begin what is due; true when there may be more of either at once."""
        if self._done:
            await self._settle()
        begun = await self._begin() if claiming else 0
        return bool(self._done) or begun == self._settings.saga_claims_max

    async def _begin(self) -> int:
        free = self._settings.stripe_calls_max - len(self._calls) - len(self._done)
        wanted = min(free, self._settings.saga_claims_max)
        admitted = self._payments.admit(wanted) if wanted > 0 else 0
        if admitted == 0:
            return 0
        claimed = 0
        try:
            calls = await self._claim(admitted)
            claimed = len(calls)
        finally:
            if claimed == 0:
                self._payments.decline()
        for call in calls:
            task = asyncio.create_task(self._call(call), name=call.key)
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return claimed

    async def _claim(self, limit: int) -> list[Call]:
        at = self._now()
        lease = timedelta(seconds=self._settings.saga_lease_s)
        async with self._db.acquire() as conn:
            rows = await store.claim_due(conn, at=at, due_at=at + lease, limit=limit)
        return [_call_of(row) for row in rows]

    async def _call(self, call: Call) -> None:
        answer = await self._payments.perform(call)
        self._done.append((call, answer))
        self._woken.set()

    async def _settle(self) -> None:
        """A batch in one transaction; one that fails for a reason of its own is left to its lease."""
        batch = self._done[: self._settings.saga_settles_max]
        try:
            await self._write(batch)
        except PASSING:
            raise
        except _UNSETTLED:
            for done in batch:
                await self._write_alone(done)
        del self._done[: len(batch)]

    async def _write_alone(self, done: Done) -> None:
        try:
            await self._write([done])
        except PASSING:
            raise
        except _UNSETTLED as error:
            _log.exception("steps.not_settled", order=done[0].order_id, error=type(error).__name__)

    async def _write(self, batch: Sequence[Done]) -> None:
        at = self._now()
        changes = [change for done in batch for change in self._changes(done, at)]
        async with self._db.acquire() as conn, conn.transaction():
            moved = await advance(conn, changes, at, self._terms)
        self._count(moved)

    def _changes(self, done: Done, at: datetime) -> list[Change]:
        call, answer = done
        pause = pause_s(
            call.attempts, first_s=self._settings.saga_backoff_s, most_s=self._settings.saga_backoff_max_s
        )
        facts = facts_of(call.operation, answer, at + timedelta(seconds=pause))
        return [Change(call.order_id, fact, call.fencing) for fact in facts]

    def _count(self, moved: Moved) -> None:
        moved.count()
        if moved.events:
            self._told()
        if moved.calls_due:
            self._woken.set()


def _call_of(row: Record) -> Call:
    fields = dict(row)
    fields["operation"] = OPERATIONS[State(fields.pop("state"))]
    return Call(**fields)
