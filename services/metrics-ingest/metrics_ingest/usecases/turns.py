"""Fair shares of one event loop: large requests take turns, and together hold a bounded amount of memory."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable

from chassis.resilience.bulkhead import BulkheadFullError


class Turns:
    """Whoever goes on after its first slice of work waits here: one at each turn of the event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)


class Memory:
    """So many bytes for all; first come, first served. More than there is at all counts as all of it."""

    def __init__(self, total_bytes: int, *, wait_s: float, waiting_max: int) -> None:
        self._total = self._left = total_bytes
        self._wait_s = wait_s
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[Callable[[int], None]]:
        """Gives a way to give back all but so many bytes; `BulkheadFullError` when it is not had in time."""
        held = min(size, self._total)
        if self._waiting or held > self._left:
            await self._queue(held)
        else:
            self._left -= held

        def keep(kept: int) -> None:
            nonlocal held
            self._left += max(0, held - kept)
            held = min(held, kept)
            self._hand_out()

        try:
            yield keep
        finally:
            keep(0)

    async def _queue(self, size: int) -> None:
        if len(self._waiting) >= self._waiting_max:
            raise BulkheadFullError("memory")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._left += size
            elif (size, turn) in self._waiting:
                self._waiting.remove((size, turn))
            self._hand_out()
            if isinstance(error, TimeoutError):
                raise BulkheadFullError("memory") from error
            raise

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._left:
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._left -= size
                turn.set_result(None)
