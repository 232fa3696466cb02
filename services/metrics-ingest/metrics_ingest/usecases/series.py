"""The series of each tenant: known ones in memory, the truth and the budgets in Postgres (ADR-0018).

A series that is known here flows without a question. Another one is looked for among what other processes
have registered since, then counted under the lock of its tenant's budget, a batch in one statement. Refusals
are kept in memory until the budget changes: the same bomb again costs a look-up a series, and another bomb
one read of a row.
"""

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from asyncpg import Record
from chassis import logs
from chassis.postgres import PASSING, DatabaseUnavailable, Pool

from metrics_ingest.domain import verdict
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.known import Known
from metrics_ingest.domain.labels import Identity
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.store import series as store

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Budget:
    active: int = 0
    new_in_hour: int = 0
    revision: int = 0

    @classmethod
    def of(cls, row: Record | None) -> "Budget":
        return cls() if row is None else cls(row["active"], row["new_in_hour"], row["revision"])

    def plus(self, series: int) -> "Budget":
        return Budget(self.active + series, self.new_in_hour + series, self.revision + 1)

    def room(self, tenant: Tenant) -> tuple[int, str]:
        """How many series may begin now, and the reason for which the next one may not."""
        active = tenant.active_series_max - self.active
        new = tenant.new_series_per_h - self.new_in_hour
        return max(0, min(active, new)), (
            verdict.ACTIVE_SERIES_LIMIT if active <= new else verdict.NEW_SERIES_LIMIT
        )


@dataclass(slots=True)
class _Entry:
    tenant: Tenant
    known: Known
    # Held while asking Postgres: a tenant takes one connection, whatever it sends.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: bool = False
    budget: Budget = field(default_factory=Budget)
    asked_at: float = 0.0


class Registry:
    """Raises `DatabaseUnavailable` where Postgres has to be asked and is away."""

    def __init__(self, bounds: Bounds, pool: Pool, *, clock: Callable[[], float] = time.time) -> None:
        self._bounds = bounds
        self._pool = pool
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @property
    def series_count(self) -> int:
        """In memory, of all tenants."""
        return sum(len(entry.known) for entry in self._entries.values())

    @property
    def bytes_held(self) -> int:
        """Of their labels, and of those that were refused."""
        return sum(entry.known.bytes_held for entry in self._entries.values())

    async def known(self, tenant: Tenant) -> Known:
        """What this process knows of the tenant's series; asked for once a request."""
        entry = self._entries.get(tenant.id)
        if entry is None:
            known = Known(
                series_max=tenant.active_series_max,
                refused_max=self._bounds.refused_forms_max,
                bytes_max=self._bounds.known_bytes_max,
            )
            entry = self._entries[tenant.id] = _Entry(tenant, known)
        self._entries.move_to_end(tenant.id)
        if entry.tenant is not tenant and entry.tenant != tenant:
            # Other limits, other verdicts.
            entry.tenant = tenant
            entry.known.unlearn()
        if not entry.loaded:
            async with _turn(entry, self._bounds.registry_wait_s):
                if not entry.loaded:
                    await self._sync(entry)
        elif entry.known.refusals and self._clock() - entry.asked_at >= self._bounds.refusals_stand_s:
            await self._look_again(entry)
        return entry.known

    async def admit(self, tenant: Tenant, wanted: Mapping[bytes, Identity]) -> dict[bytes, str]:
        """Register series by their label bytes as far as the budget goes; the refused ones and why."""
        known = await self.known(tenant)
        entry = self._entries.get(tenant.id) or _Entry(tenant, known, loaded=True)
        async with _turn(entry, self._bounds.registry_wait_s):
            missing = _missing(known, wanted)
            if missing:
                await self._sync(entry)
                missing = _missing(known, wanted)
            reason = await self._register(entry, missing) if missing else ""
        refused = {}
        for form, identity in wanted.items():
            slot = known.slots.get(identity.hash)
            if slot is None:
                known.refuse(form, reason)
                refused[form] = reason
            else:
                known.learn(form, slot)
        return refused

    async def _register(self, entry: _Entry, missing: dict[bytes, str]) -> str:
        """The reason for which those are refused that did not get in."""
        tenant, known = entry.tenant, entry.known
        room, reason = entry.budget.room(tenant)
        if not room:
            return reason
        async with self._pool.acquire() as conn, conn.transaction():
            row = await store.lock_budget(conn, tenant.id)
            if row is None:
                await store.open_budget(conn, tenant.id)
                row = await store.lock_budget(conn, tenant.id)
            budget = Budget.of(row)
            room, reason = budget.room(tenant)
            rows = await store.register(conn, tenant.id, list(missing), list(missing.values()), room)
        now_s = int(self._clock())
        for row in rows:
            known.add(row["series_hash"], now_s)
        if budget.revision == entry.budget.revision:
            # Nobody was in between: what this process knows is all there is.
            entry.budget = budget.plus(sum(row["fresh"] for row in rows))
        return reason

    async def _sync(self, entry: _Entry) -> None:
        """Learn the budget, and what others have registered since the last time."""
        async with self._pool.acquire() as conn:
            budget = Budget.of(await store.budget(conn, entry.tenant.id))
            page = self._bounds.registry_page
            after = (entry.budget.revision, b"\xff" * 17)
            more = not entry.loaded or budget.revision != entry.budget.revision
            while more:
                rows = await store.changes(conn, entry.tenant.id, after, page)
                now_s = int(self._clock())
                for row in rows:
                    entry.known.add(row["series_hash"], now_s)
                more = len(rows) == page
                after = (rows[-1]["revision"], rows[-1]["series_hash"]) if rows else after
        if budget != entry.budget or not entry.loaded:
            entry.known.pardon()
        entry.budget, entry.loaded, entry.asked_at = budget, True, self._clock()

    async def _look_again(self, entry: _Entry) -> None:
        """Whether what was refused still has to be."""
        entry.asked_at = self._clock()
        try:
            async with _turn(entry, self._bounds.registry_wait_s):
                await self._sync(entry)
        except DatabaseUnavailable:
            # Nobody knows: they are asked for again, and answered with 503.
            entry.known.pardon()

    async def run(self) -> None:
        """Until cancelled: tell Postgres what was seen, forget what has been idle. One loop a process."""
        for turn in itertools.count(1):
            await asyncio.sleep(self._bounds.registry_turn_s)
            try:
                await self.flush()
                if turn % self._bounds.expire_turns == 0:
                    await self.expire()
            except PASSING as error:
                log.warning("series.flush_failed", error=type(error).__name__)

    async def flush(self, *, everything: bool = False) -> None:
        """Tell Postgres when series were last seen: those it was last told of some time ago, or every one."""
        for entry in list(self._entries.values()):
            await self._touch(entry, everything=everything)
            entry.known.forget(entry.known.idle(int(self._clock()) - self._bounds.series_idle_s))
        while self._is_full() and len(self._entries) > 1:
            oldest = next(iter(self._entries.values()))
            await self._touch(oldest, everything=True)
            self._entries.pop(oldest.tenant.id, None)

    def _is_full(self) -> bool:
        bounds = self._bounds
        return self.series_count > bounds.known_series_max or self.bytes_held > bounds.known_bytes_max_of_all

    async def expire(self) -> None:
        """Take out series that no process has seen for the idle time."""
        async with self._pool.acquire() as conn:
            tenants = [row["tenant_id"] for row in await store.tenants_with_series(conn)]
        for tenant_id in tenants:
            more = True
            while more:
                async with self._pool.acquire() as conn, conn.transaction():
                    await store.lock_budget(conn, tenant_id)
                    rows = await store.expire(
                        conn, tenant_id, self._bounds.series_idle_s, self._bounds.registry_page
                    )
                more = len(rows) == self._bounds.registry_page
                entry = self._entries.get(tenant_id)
                if rows and entry is not None:
                    entry.known.forget([row["series_hash"] for row in rows])

    async def _touch(self, entry: _Entry, *, everything: bool) -> None:
        told_before_s = int(self._clock()) + 1 - (0 if everything else self._bounds.series_idle_s // 4)
        page = self._bounds.registry_page
        # Points keep coming meanwhile: a series is told of once.
        for _ in range(len(entry.known) // page + 1):
            due = entry.known.due(told_before_s, page)
            if not due:
                return
            hashes, seen = [one for one, _ in due], [seen_s for _, seen_s in due]
            async with self._pool.acquire() as conn, conn.transaction():
                await store.lock_budget(conn, entry.tenant.id)
                rows = await store.touch(conn, entry.tenant.id, hashes, seen)
            there = {row["series_hash"] for row in rows}
            for series_hash, seen_s in due:
                entry.known.touched(series_hash, seen_s)
            # Expired elsewhere: they have to be counted again.
            entry.known.forget([one for one in hashes if one not in there])


def _missing(known: Known, wanted: Mapping[bytes, Identity]) -> dict[bytes, str]:
    """Hashes and names of those that this process does not know, in their order, each once."""
    return {
        # Postgres knows no text with a zero byte in it.
        identity.hash: identity.name.decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
        for identity in wanted.values()
        if identity.hash not in known.slots
    }


@contextlib.asynccontextmanager
async def _turn(entry: _Entry, wait_s: float) -> AsyncIterator[None]:
    """Alone with the tenant's budget, in this process; every passing failure is `DatabaseUnavailable`."""
    try:
        async with asyncio.timeout(wait_s):
            await entry.lock.acquire()
    except TimeoutError as error:
        raise DatabaseUnavailable("others of the tenant wait for the registry") from error
    try:
        yield
    except PASSING as error:
        raise DatabaseUnavailable(str(error) or type(error).__name__) from error
    finally:
        entry.lock.release()
