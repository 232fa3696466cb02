"""Visits of links with `max_visits`: counted in Postgres alone, so exact whatever Redis forgets.

All requests that wait while one statement runs share the next: N waiting requests of a link cost one row
update. A crash after the commit loses what it had granted: the count errs to fewer, never to more.
"""

import asyncio
import time
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record
from chassis import metrics
from chassis.logs import get_logger
from chassis.postgres import UNAVAILABLE, Pool

from shortener.patience import settled
from shortener.settings import ShortenerSettings
from shortener.store import routes as store

log = get_logger(__name__)

_GRANTED = metrics.counter("shortener_visits_granted_total", "Visits granted to links with a maximum.")
_REFUSED = metrics.counter("shortener_visits_refused_total", "Visits refused: the maximum is reached.")


class VisitsUnavailable(Exception):  # noqa: N818 the field's word
    """Postgres cannot count now, and a grant that is not counted is one too many."""


class Grant(NamedTuple):
    """`remaining` is None when the link is not a live, limited one any more."""

    granted: bool
    remaining: int | None


class _Waiting:
    __slots__ = ("heads", "visitors")

    def __init__(self) -> None:
        self.visitors: list[asyncio.Future[Grant | None]] = []
        self.heads: list[asyncio.Future[Grant | None]] = []


class Visits:
    """`take` counts a visit, `look` asks whether there is one left."""

    def __init__(self, settings: ShortenerSettings, pool: Pool) -> None:
        self._pool = pool
        self._timeout_s = settings.visit_timeout_s
        self._query_timeout_s = settings.database_timeout_s
        self._cooldown_s = settings.miss_cooldown_s
        self._waiting_max = settings.visit_waiting_max
        self._waiting: dict[bytes, _Waiting] = {}
        self._count = 0
        self._lane: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def take(self, link_id: bytes) -> Grant:
        """Count one visit; raises VisitsUnavailable within the timeout."""
        return await self._join(link_id, counts=True)

    async def look(self, link_id: bytes) -> Grant:
        """Tell whether a visit is left, and count none."""
        return await self._join(link_id, counts=False)

    async def close(self) -> None:
        if self._lane is not None:
            await asyncio.wait([self._lane], timeout=self._timeout_s)

    async def _join(self, link_id: bytes, *, counts: bool) -> Grant:
        if time.monotonic() < self._retry_at or self._count >= self._waiting_max:
            raise VisitsUnavailable
        future: asyncio.Future[Grant | None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(link_id, _Waiting())
        (waiting.visitors if counts else waiting.heads).append(future)
        self._count += 1
        if self._lane is None:
            self._lane = asyncio.create_task(self._run())
        grant = await future
        if grant is None:
            raise VisitsUnavailable
        return grant

    async def _run(self) -> None:
        """One statement after the other until nobody waits."""
        try:
            while self._waiting:
                batch, self._waiting, self._count = self._waiting, {}, 0
                await self._grant(batch)
        finally:
            self._lane = None

    async def _grant(self, batch: dict[bytes, _Waiting]) -> None:
        query = asyncio.create_task(self._query(batch))
        done = await settled(query, self._timeout_s)
        error: BaseException | None = query.exception() if done else TimeoutError()
        if error is None:
            _settle(batch, {row["id"].bytes: row for row in query.result()})
            return
        # A statement that was sent may still be counted: those visits are lost, not given twice.
        self._retry_at = time.monotonic() + self._cooldown_s
        late, self._waiting, self._count = self._waiting, {}, 0
        for waiting in (*batch.values(), *late.values()):
            _answer([*waiting.visitors, *waiting.heads], None)
        log.warning("visits.unavailable", reason=type(error).__name__)
        if not done:
            query.cancel()
            await asyncio.wait([query])
        elif not isinstance(error, (*UNAVAILABLE, OSError)):
            raise error

    async def _query(self, batch: dict[bytes, _Waiting]) -> list[Record]:
        ids = [UUID(bytes=link_id) for link_id in batch]
        wanted = [len(waiting.visitors) for waiting in batch.values()]
        async with self._pool.acquire(timeout=self._query_timeout_s) as conn:
            return await store.grant_visits(conn, ids, wanted, self._query_timeout_s)


def _settle(batch: dict[bytes, _Waiting], rows: dict[bytes, Record]) -> None:
    for link_id, waiting in batch.items():
        row = rows.get(link_id)
        if row is None:
            _answer([*waiting.visitors, *waiting.heads], Grant(granted=False, remaining=None))
            continue
        granted, remaining = row["granted"], row["remaining"]
        _answer(waiting.visitors[:granted], Grant(granted=True, remaining=remaining))
        _answer(waiting.visitors[granted:], Grant(granted=False, remaining=remaining))
        _answer(waiting.heads, Grant(granted=remaining > 0, remaining=remaining))
        _GRANTED.inc(granted)
        _REFUSED.inc(len(waiting.visitors) - granted)


def _answer(waiters: list[asyncio.Future[Grant | None]], grant: Grant | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(grant)
