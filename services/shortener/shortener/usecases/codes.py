"""Hands out generated codes from counters leased in blocks (ADR-0014)."""

import asyncio
from collections import deque
from typing import Final

from chassis.logs import get_logger
from chassis.postgres import UNAVAILABLE, Pool

from shortener.domain import slugs
from shortener.domain.codes import Permutation
from shortener.store import codes as store

_log = get_logger(__name__)
_REFILL_BELOW: Final = 300
_YIELD_EVERY: Final = 100  # codes made between two turns of the event loop: about 2 ms of work


class CodeSource:
    """The codes of one process.

    A block is leased before the last one is used up, so a create rarely waits for it. What a process holds
    when it dies is lost: at most two blocks of 3.5 billion.
    """

    def __init__(self, pool: Pool, permutation: Permutation, *, blocks_max: int) -> None:
        self._pool = pool
        self._permutation = permutation
        self._blocks_max = blocks_max
        self._blocks: deque[range] = deque()
        self._left = 0
        self._leasing = asyncio.Lock()
        self._refill: asyncio.Task[None] | None = None

    async def take(self, count: int) -> list[str]:
        """Give `count` new codes; raises DatabaseUnavailable when none can be leased.

        Not for use inside a transaction: the lease takes a connection of its own.
        """
        taken: list[str] = []
        while len(taken) < count:
            if self._left < count - len(taken):
                await self._lease(count - len(taken))
            code = self.take_spare()
            if code is not None:
                taken.append(code)
            if len(taken) % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if self._left < _REFILL_BELOW and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._lease_ahead())
        return taken

    def take_spare(self) -> str | None:
        """Give a code that is at hand, None when there is none: safe inside a transaction."""
        while self._blocks:
            block = self._blocks[0]
            counter = block[0]
            self._left -= 1
            if len(block) == 1:
                self._blocks.popleft()
            else:
                self._blocks[0] = block[1:]
            code = self._permutation.code(counter)
            if not slugs.is_reserved(code):
                return code
        return None

    async def close(self) -> None:
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)

    async def _lease(self, wanted: int) -> None:
        """Lease until `wanted` codes are at hand; callers that wait share one lease."""
        async with self._leasing:
            if self._left >= wanted:
                return
            async with self._pool.acquire() as conn:
                first = await store.lease_blocks(conn, 1)
                self._add(first[0]["first"], first[0]["size"])
                size = first[0]["size"]
                more = min(-(-(wanted - self._left) // size), self._blocks_max)
                if more > 0:
                    for row in await store.lease_blocks(conn, more):
                        self._add(row["first"], row["size"])

    async def _lease_ahead(self) -> None:
        try:
            await self._lease(_REFILL_BELOW + 1)
        except UNAVAILABLE as error:
            _log.warning("codes.lease_failed", error=type(error).__name__)

    def _add(self, first: int, size: int) -> None:
        self._blocks.append(range(first, first + size))
        self._left += size
