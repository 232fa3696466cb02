"""Load shedding: what cannot be answered in time is refused early, the least important first."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.envelope import Refuse, refuse
from chassis.metrics import counter, gauge
from chassis.problems import Overloaded
from chassis.resilience.limit import AdaptiveLimit

_SHED = counter("resilience_shed_total", "Requests refused because of load.", ("reason", "priority"))
_QUEUED = gauge("resilience_queued_requests", "Requests that wait for their turn.")
_SWEEP_S = 0.1
_FAIR_TURN = 5


class Priority(IntEnum):
    """Lower goes first; CRITICAL is never refused and never waits."""

    CRITICAL = 0
    READ = 1
    WRITE = 2
    BATCH = 3


def by_method(scope: Scope) -> Priority:
    """Reads before writes: a reader is a person who waits, a writer has an idempotency key and a retry."""
    return Priority.READ if scope["method"] in {"GET", "HEAD"} else Priority.WRITE


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: "asyncio.Future[str | None]"
    since: float = field(default_factory=time.monotonic)


class LoadShedder:
    """Runs as many requests at once as the adaptive limit allows; the rest wait in bounded FIFO queues.

    A burst may wait `queue_timeout_s`. When the queue has not been empty for that long it is no burst but
    overload, and then only `overload_timeout_s` are waited: a long queue would serve everybody too late.
    A full queue refuses the newcomer, or a waiting request of lower priority in its place. Every fifth turn
    goes to the least important queue, so that reads cannot starve writes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: AdaptiveLimit,
        queue_max: int,
        queue_timeout_s: float,
        overload_timeout_s: float = 1.0,
        retry_after_s: int = 1,
        classify: Callable[[Scope], Priority] = by_method,
        refuse: Refuse = refuse,
    ) -> None:
        self._app = app
        self._answer = refuse
        self._limit = limit
        self._queue_max = queue_max
        self._queue_timeout_s = queue_timeout_s
        self._overload_timeout_s = min(overload_timeout_s, queue_timeout_s)
        self._retry_after_s = retry_after_s
        self._classify = classify
        self._queues: dict[Priority, deque[_Waiter]] = {p: deque() for p in Priority if p}
        self._queued = self._inflight = self._turns = 0
        self._queue_since = 0.0
        self._sweeper: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        priority = self._classify(scope) if scope["type"] == "http" else Priority.CRITICAL
        if priority is Priority.CRITICAL:
            await self._app(scope, receive, send)
            return
        refused = None if self._take_slot() else await self._wait_turn(priority)
        if refused is not None:
            await self._refuse(scope, send, refused, priority)
            return
        started = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            self._limit.observe(time.monotonic() - started, inflight=self._inflight)
            self._inflight -= 1
            self._hand_out()

    def _take_slot(self) -> bool:
        if self._queued or self._inflight >= self._limit.limit:
            return False
        self._inflight += 1
        return True

    async def _refuse(self, scope: Scope, send: Send, reason: str, priority: Priority) -> None:
        _SHED.labels(reason, priority.name.lower()).inc()
        headers = {"Retry-After": str(self._retry_after_s)}
        problem = Overloaded("Too much is asked of us just now; try again.", headers=headers)
        await self._answer(scope, send, problem)

    async def _wait_turn(self, priority: Priority) -> str | None:
        """None once a slot is ours, else the reason of the refusal."""
        if self._queued >= self._queue_max and not self._evict_below(priority):
            return "queue_full"
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        queue = self._queues[priority]
        queue.append(waiter)
        self._count(1)
        self._sweep_later()
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if not waiter.turn.cancelled() and waiter.turn.done() and waiter.turn.result() is None:
                # The slot came in the moment of leaving.
                self._inflight -= 1
                self._hand_out()
            elif waiter in queue:
                queue.remove(waiter)
                self._count(-1)
            raise

    def _count(self, change: int) -> None:
        if self._queued == 0:
            self._queue_since = time.monotonic()
        self._queued += change
        _QUEUED.set(self._queued)

    def _evict_below(self, priority: Priority) -> bool:
        """Refuses the youngest of the least important requests, if it matters less than this one."""
        for lower in reversed(Priority):
            if lower <= priority:
                return False
            if self._queues[lower]:
                self._settle(self._queues[lower].pop(), "evicted")
                return True
        return False

    def _settle(self, waiter: _Waiter, reason: str | None) -> bool:
        """Ends a wait; false when the request has gone already."""
        self._count(-1)
        if waiter.turn.done():
            return False
        waiter.turn.set_result(reason)
        return True

    def _hand_out(self) -> None:
        """Gives free slots to those whose turn it is."""
        self._expire()
        while self._queued and self._inflight < self._limit.limit:
            if self._settle(self._next_queue().popleft(), None):
                self._inflight += 1

    def _next_queue(self) -> deque[_Waiter]:
        waiting = [queue for queue in self._queues.values() if queue]
        self._turns += 1
        return waiting[-1] if self._turns % _FAIR_TURN == 0 else waiting[0]

    def _expire(self) -> None:
        now = time.monotonic()
        overloaded = now - self._queue_since > self._queue_timeout_s
        since = now - (self._overload_timeout_s if overloaded else self._queue_timeout_s)
        for queue in self._queues.values():
            while queue and queue[0].since < since:
                self._settle(queue.popleft(), "queue_timeout")

    def _sweep_later(self) -> None:
        """Waits end on time even when no request does."""
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        self._hand_out()
        if self._queued:
            self._sweep_later()
