"""Finding a link that L1 does not have: Redis, then Postgres, one flight a slug, in batches.

Nothing here creates a task a request: a request waits on a future of its flight, flights of one loop tick
share an MGET, misses share a few queries. A change that is heard of while a flight is in the air makes it
dirty: it answers those who asked before the change, is stored nowhere, and the next request starts a new one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from asyncpg import Record
from chassis import metrics
from chassis.postgres import Pool

from shortener.cache import Entry, Floors, LocalCache, SharedCache, slug_of
from shortener.domain.routes import PLAIN, Guard, Route, decode
from shortener.misses import Flight, MissQueue
from shortener.settings import ShortenerSettings

ASK_MAX = 128  # keys in one MGET: a longer one would hold up the commands behind it

_INVALIDATIONS = metrics.counter(
    "shortener_cache_invalidations_total", "Changes heard of, by the road they came.", ("source",)
)
_TRACKING_UP = metrics.gauge(
    "shortener_cache_tracking_up", "Whether changes reach this process, by road.", ("source",)
)


class Resolution(NamedTuple):
    """`entry` is None when nobody could tell: no cache has the link, and Postgres is away or overloaded."""

    entry: Entry | None
    tier: str


class Resolver:
    """Owns L1, asks L2 and Postgres, and knows which of the two roads of invalidation are open."""

    def __init__(self, settings: ShortenerSettings, pool: Pool, shared: SharedCache) -> None:
        self._settings = settings
        self._shared = shared
        self._misses = MissQueue(settings, pool, self._read)
        self.local = LocalCache(settings.l1_entries_max, "link")
        self.absent = LocalCache(settings.l1_negative_max, "absent")
        self._floors = Floors(settings.invalidation_floor_max)
        self._flights: dict[str, Flight] = {}
        self._asking: list[Flight] = []
        self._listening = False
        self._redis_alone = False  # L1 holds something that only Redis' tracking would tell of
        for road in ("notify", "redis"):
            _TRACKING_UP.labels(road).set(0)

    async def resolve(self, slug: str) -> Resolution:
        """Look up what L1 does not have; ends within the timeouts of one Redis command and one query."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        flight = self._flights.get(slug)
        if flight is not None:
            flight.waiters.append(future)
            return cast("Resolution", await future)
        flight = self._flights[slug] = Flight(slug)
        flight.waiters.append(future)
        if not self._shared.up:
            self._misses.add([flight])
        else:
            if not self._asking:
                loop.call_soon(self._ask)
            self._asking.append(flight)
        return cast("Resolution", await future)

    async def close(self) -> None:
        await self._misses.close()

    # What invalidations do.

    def forget(self, slug: str, revision: int | None, source: str) -> None:
        """Drop a link that has changed, and let nothing older than `revision` in again."""
        _INVALIDATIONS.labels(source).inc()
        if revision is not None:
            self._floors.raise_to(slug, revision)
            held = self.local.entries.get(slug)
            if held is not None and held.revision >= revision:
                return  # the news of a change that was read with the link
        self.local.drop(slug)
        self.absent.drop(slug)
        flight = self._flights.pop(slug, None)
        if flight is not None:
            flight.dirty = True

    def on_redis_up(self) -> None:
        _TRACKING_UP.labels("redis").set(1)

    def on_redis_lost(self) -> None:
        _TRACKING_UP.labels("redis").set(0)
        if self._redis_alone or not self._listening:
            self._distrust()

    def on_redis_invalidate(self, keys: list[bytes] | None) -> None:
        if keys is None:  # Redis was flushed: it tracks nothing of ours any more
            self.on_redis_lost()
            self.on_redis_up()
            return
        for key in keys:
            self.forget(slug_of(key), None, "tracking")

    def on_listening(self, *, listening: bool) -> None:
        _TRACKING_UP.labels("notify").set(int(listening))
        if listening != self._listening:
            self._listening = listening
            self._distrust()

    def _distrust(self) -> None:
        self._redis_alone = False
        self.local.distrust()
        self.absent.distrust()
        for flight in self._flights.values():
            flight.dirty = True
        self._flights.clear()

    # The way of a flight.

    def _ask(self) -> None:
        """Ask Redis for what all requests of this tick miss."""
        asking, self._asking = self._asking, []
        for start in range(0, len(asking), ASK_MAX):
            flights = asking[start : start + ASK_MAX]

            def answer(values: Sequence[bytes | None] | None, flights: list[Flight] = flights) -> None:
                self._asked(flights, values)

            self._shared.ask([flight.slug for flight in flights], answer)

    def _asked(self, flights: list[Flight], values: Sequence[bytes | None] | None) -> None:
        missing = []
        for flight, value in zip(flights, values or [None] * len(flights), strict=True):
            found = self._read_value(flight.slug, value) if value is not None else None
            if found is None:
                missing.append(flight)
            else:
                self._land(flight, self._keep(flight, found[0], found[1], tracked=True), "redis")
        if missing:
            self._misses.add(missing)

    def _read_value(self, slug: str, value: bytes) -> tuple[Route, int] | None:
        try:
            revision, route = decode(value)
        except msgspec.DecodeError:
            return None
        if route is None:
            self._floors.raise_to(slug, revision)
            return None
        return (route, revision) if revision >= self._floors.of(slug) else None

    def _read(self, flights: Sequence[Flight], rows: dict[str, Record] | None) -> None:
        """Land flights that asked Postgres; `rows` is None when it could not answer."""
        fills: list[tuple[str, Route, int]] = []
        for flight in flights:
            if rows is None:
                stale = self.local.entries.get(flight.slug)
                self._land(flight, stale, "none" if stale is None else "stale")
                continue
            row = rows.get(flight.slug)
            if row is None:
                self._land(flight, self._keep_absent(flight), "postgres")
                continue
            route, revision = route_of(row)
            self._land(flight, self._keep(flight, route, revision, tracked=False), "postgres")
            if not flight.dirty and revision >= self._floors.of(flight.slug):
                fills.append((flight.slug, route, revision))
        if fills and self._shared.up:
            self._shared.fill(fills, self._refused)

    def _refused(self, slug: str, revision: int) -> None:
        self.forget(slug, revision, "fill")

    def _keep(self, flight: Flight, route: Route, revision: int, *, tracked: bool) -> Entry:
        """Make an entry, and hold it in L1 unless it changed meanwhile."""
        held = self.local.entries.get(flight.slug)
        if held is not None and held.revision == revision:
            entry = held
        else:
            entry = Entry(route, revision, permanent_max_age_s=self._settings.permanent_max_age_s)
        if not flight.dirty and revision >= self._floors.of(flight.slug):
            self.absent.drop(flight.slug)
            if tracked and not self._listening:
                self._redis_alone = True
            covered = self._listening or tracked
            ttl_s = self._settings.l1_ttl_s if covered else self._settings.l1_uncovered_ttl_s
            self.local.put(flight.slug, entry, ttl_s)
        return entry

    def _keep_absent(self, flight: Flight) -> Entry:
        entry = Entry(None, 0)
        if not flight.dirty:
            self.local.drop(flight.slug)
            ttl_s = self._settings.l1_negative_ttl_s
            self.absent.put(
                flight.slug,
                entry,
                ttl_s if self._listening else min(ttl_s, self._settings.l1_uncovered_ttl_s),
            )
        return entry

    def _land(self, flight: Flight, entry: Entry | None, tier: str) -> None:
        if self._flights.get(flight.slug) is flight:
            del self._flights[flight.slug]
        resolution = Resolution(entry, tier)
        for waiter in flight.waiters:
            if not waiter.done():
                waiter.set_result(resolution)


def route_of(row: Record) -> tuple[Route, int]:
    guard = Guard(
        state=row["state"],
        status=row["status"],
        since=row["since"],
        until=row["until"],
        max_visits=row["max_visits"],
        rules=row["rules"] or None,
        utm=row["utm"] or None,
    )
    route = Route(row["id"].bytes, row["tenant_id"], row["url"], None if guard == PLAIN else guard)
    return route, row["revision"]
