"""Reading one's own writes: wait until the writer has stored up to a position, and the store shows it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from chassis.postgres import Pool

from metrics_ingest.domain import positions
from metrics_ingest.store import positions as store
from metrics_ingest.usecases.accept import TOPIC
from metrics_ingest.usecases.writing import GROUP

_PARTITIONS: Final = tuple(range(positions.PARTS_MAX))


class NotReached(Exception):  # noqa: N818 a state
    """The writer has not come so far in the time allowed."""


class Reached:
    """One a process: however many wait, Postgres is asked once a `poll_s`, and flushes are shared."""

    def __init__(self, pool: Pool, flush: Callable[[], Awaitable[None]], *, poll_s: float = 0.05) -> None:
        self._pool = pool
        self._show = SharedCall(flush)
        self._poll_s = poll_s
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._committed: Mapping[int, int] = {}

    async def wait(self, wanted: Mapping[int, int], until: float) -> None:
        """`until` by the loop's clock. Raises `NotReached`, and what Postgres and the flush raise."""
        loop = asyncio.get_running_loop()
        while not positions.is_reached(wanted, await self._positions()):
            if loop.time() + self._poll_s > until:
                raise NotReached
            await asyncio.sleep(self._poll_s)
        # What is durable need not be visible yet: the store's index of new series has a pace of its own.
        await self._show.make()

    async def _positions(self) -> Mapping[int, int]:
        loop = asyncio.get_running_loop()
        async with self._reading:
            if loop.time() - self._read_at >= self._poll_s:
                async with self._pool.acquire() as conn:
                    rows = await store.written(conn, GROUP, TOPIC, _PARTITIONS)
                self._committed = {row["partition"]: row["next_offset"] for row in rows}
                self._read_at = loop.time()
        return self._committed


class SharedCall:
    """One that begins after several have asked for it is made once for all of them."""

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call
        self._calling = asyncio.Lock()
        self._begun_at = float("-inf")

    async def make(self) -> None:
        """Raises what the call raises."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._calling:
            if self._begun_at < asked_at:
                begun_at = loop.time()
                await self._call()
                self._begun_at = begun_at
