"""A bulkhead: at most so many calls at once to one callee, a bounded queue before it, and no more."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.resilience.breaker import CALLS


class BulkheadFullError(Exception):
    """The call was not made: every slot is taken and so is the queue, or the wait was too long."""


class Bulkhead:
    """`calls_max` at once, `queue_max` waiting for at most `queue_timeout_s`; by default none waits."""

    def __init__(
        self,
        name: str,
        *,
        calls_max: int,
        queue_max: int = 0,
        queue_timeout_s: float = 1.0,
    ) -> None:
        self._name = name
        self._free = calls_max
        self._queue_max = queue_max
        self._queue_timeout_s = queue_timeout_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._rejected = CALLS.labels(name, "rejected")

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Around one call. Raises BulkheadFullError."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
        else:
            await self._queue()
        try:
            yield
        finally:
            self._release()

    async def _queue(self) -> None:
        if len(self._waiting) >= self._queue_max:
            self._rejected.inc()
            raise BulkheadFullError(self._name)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(turn, self._queue_timeout_s)
        except TimeoutError:
            self._rejected.inc()
            self._leave(turn)
            raise BulkheadFullError(self._name) from None
        except asyncio.CancelledError:
            self._leave(turn)
            raise

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        """A slot that was handed over in the same moment is handed on."""
        if turn.done() and not turn.cancelled():
            self._release()
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
