"""Reads of links that no cache has: gathered into few queries, bounded in number and time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from asyncpg import Record
from chassis.logs import get_logger
from chassis.postgres import UNAVAILABLE, Pool

from shortener.patience import SLICES, settled
from shortener.settings import ShortenerSettings
from shortener.store import routes as store

log = get_logger(__name__)


class Flight:
    """One slug being looked up, for all who wait; `dirty` once a change was heard of meanwhile."""

    __slots__ = ("dirty", "queued", "slug", "waiters")

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.dirty = False
        self.queued = False  # waits for a lane
        self.waiters: list[asyncio.Future[object]] = []


Landed = Callable[[Sequence[Flight], dict[str, Record] | None], None]


class MissQueue:
    """`landed` gets each batch with what was found, or None in its place when Postgres could not be asked."""

    def __init__(self, settings: ShortenerSettings, pool: Pool, landed: Landed) -> None:
        self._pool = pool
        self._landed = landed
        self._lanes_max = settings.miss_lanes_max
        self._batch_max = settings.miss_batch_max
        self._queue_max = settings.miss_queue_max
        self._timeout_s = settings.miss_timeout_s
        self._query_timeout_s = settings.database_timeout_s
        self._cooldown_s = settings.miss_cooldown_s
        self._waiting: deque[Flight] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._starting = False
        self._retry_at = 0.0

    def add(self, flights: Sequence[Flight]) -> None:
        """Queue flights; they land within the timeout, at once while Postgres is known to be away."""
        if time.monotonic() < self._retry_at or len(self._waiting) + len(flights) > self._queue_max:
            self._landed(flights, None)
            return
        for flight in flights:
            flight.queued = True
        self._waiting.extend(flights)
        if not self._starting:
            self._starting = True
            asyncio.get_running_loop().call_soon(self._start)
            self._watch(flights[0], SLICES)

    def _start(self) -> None:
        """Once a tick: what all its requests miss goes into as few queries as fill the lanes."""
        self._starting = False
        while self._waiting and len(self._lanes) < self._lanes_max:
            batch = [self._waiting.popleft() for _ in range(min(self._batch_max, len(self._waiting)))]
            for flight in batch:
                flight.queued = False
            lane = asyncio.create_task(self._read(batch))
            self._lanes.add(lane)
            lane.add_done_callback(self._freed)

    def _freed(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if not lane.cancelled():
            self._start()

    def _watch(self, oldest: Flight, slices: int) -> None:
        """Every lane is stuck in a silent server: nobody waits for one to come free."""
        if not oldest.queued:
            return
        if slices:
            loop = asyncio.get_running_loop()
            loop.call_later(self._timeout_s / 2 / SLICES, self._watch, oldest, slices - 1)
        else:
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        waiting = list(self._waiting)
        for flight in waiting:
            flight.queued = False
        self._waiting.clear()
        self._retry_at = time.monotonic() + self._cooldown_s
        if waiting:
            self._landed(waiting, None)

    async def _read(self, batch: list[Flight]) -> None:
        query = asyncio.create_task(self._query(list({flight.slug for flight in batch})))
        if not await settled(query, self._timeout_s):
            # Cancelling asks the silent server to cancel: the lane stays taken until that has ended,
            # nobody waits for it.
            query.cancel()
            self._unavailable("timeout")
            self._landed(batch, None)
            await asyncio.wait([query])
            return
        error = query.exception()
        if error is None:
            self._landed(batch, {row["slug"]: row for row in query.result()})
        elif isinstance(error, (*UNAVAILABLE, OSError)):
            self._unavailable(type(error).__name__)
            self._landed(batch, None)
        else:
            self._landed(batch, None)
            raise error

    async def _query(self, slugs: list[str]) -> list[Record]:
        async with self._pool.acquire(timeout=self._query_timeout_s) as conn:
            return await store.by_slugs(conn, slugs, self._query_timeout_s)

    def _unavailable(self, reason: str) -> None:
        log.warning("misses.unavailable", reason=reason, waiting=len(self._waiting))
        self._fail_waiting()

    async def close(self) -> None:
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
