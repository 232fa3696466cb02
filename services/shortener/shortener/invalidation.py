"""Telling every cache that a link has changed: recorded with the change, then published (ADR-0015).

A change travels two roads. Its transaction records it and NOTIFYs, so every process with a live LISTEN
connection drops the link at commit, with or without Redis. After the commit a tombstone goes to Redis,
whose client-side tracking tells the processes again and stops older fills. What cannot be published stays
pending until a sweeper can.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import asyncpg
from asyncpg import Record
from chassis import metrics
from chassis.logs import get_logger
from chassis.postgres import UNAVAILABLE, Connection, Pool

from shortener.cache import SharedCache
from shortener.rediswire import RedisFailure
from shortener.settings import ShortenerSettings
from shortener.store import invalidations as store

CHANNEL = "shortener_invalidations"
PAYLOAD_BYTES_MAX = 7_900  # Postgres refuses 8,000

log = get_logger(__name__)

# What a sweep or a listener gets over by trying again.
_PASSING: tuple[type[Exception], ...] = (
    *UNAVAILABLE,
    RedisFailure,
    OSError,
    asyncpg.InterfaceError,
    # A heartbeat that meets the server's farewell half read.
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
)

_PENDING = metrics.gauge("shortener_invalidations_pending", "Changes that Redis was not told of yet.")


class Change(NamedTuple):
    """A link's slug and the `revision` that the change gave it."""

    slug: str
    revision: int


async def record(conn: Connection, slug: str, revision: int) -> None:
    """Record a change in its own transaction; every listening process drops the link at commit.

    The creation of a link with a *generated* code may skip this: nobody can have asked for it before.
    """
    await record_many(conn, [Change(slug, revision)])


async def record_many(conn: Connection, changes: Sequence[Change]) -> None:
    """Record many changes in one statement; notifications are packed, not sent one a row."""
    if changes:
        slugs, revisions = [change.slug for change in changes], [change.revision for change in changes]
        await store.insert(conn, revisions, slugs, list(payloads(changes)))


def payloads(changes: Sequence[Change]) -> Iterator[str]:
    """Pack changes as lines of `revision slug` into as few payloads as Postgres takes."""
    lines: list[str] = []
    size = 0
    for change in changes:
        line = f"{change.revision} {change.slug}"
        length = len(line.encode()) + 1
        if size + length > PAYLOAD_BYTES_MAX:
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += length
    if lines:
        yield "\n".join(lines)


def parse_payload(payload: str) -> list[Change]:
    changes = []
    for line in payload.splitlines():
        revision, _, slug = line.partition(" ")
        changes.append(Change(slug, int(revision)))
    return changes


class Forgets(Protocol):
    """What holds links in this process: told which to drop, and whether it is being told at all."""

    def forget(self, slug: str, revision: int, source: str) -> None: ...
    def on_listening(self, *, listening: bool) -> None: ...


class Invalidator:
    """Publishes changes, hears those of other processes, and sweeps up what could not be published."""

    def __init__(self, settings: ShortenerSettings, pool: Pool, holder: Forgets, shared: SharedCache) -> None:
        self._settings = settings
        self._pool = pool
        self._holder = holder
        self._shared = shared
        self._told: list[int] = []
        self._wake = asyncio.Event()
        self._replay = False

    async def publish(self, slug: str, revision: int) -> None:
        """Tell Redis of a committed change; never raises: what fails is swept up later."""
        await self.publish_many([Change(slug, revision)])

    async def publish_many(self, changes: Sequence[Change]) -> None:
        """Tell Redis of committed changes, a bounded batch at a time; never raises."""
        for change in changes:
            self._holder.forget(change.slug, change.revision, "local")
        size = self._settings.invalidation_batch_max
        for start in range(0, len(changes), size):
            batch = changes[start : start + size]
            try:
                await self._shared.bury(batch)
            except RedisFailure:
                self._wake.set()
                return
            self._told.extend(change.revision for change in batch)
        self._wake.set()

    def on_redis_up(self) -> None:
        """A Redis that came back may have lost or forgotten tombstones: tell it of all recent changes."""
        self._replay = True
        self._wake.set()

    async def sweep(self) -> None:
        """Run until cancelled: mark what was told, tell what was not, count what is left."""
        while True:
            try:
                await self._sweep_once()
            except _PASSING as error:
                log.info("invalidation.sweep_failed", error=type(error).__name__)
            self._wake.clear()
            pause_s = self._settings.invalidation_sweep_s * random.uniform(0.5, 1.0)  # noqa: S311 spreads
            await asyncio.sleep(pause_s / 5)  # gathers marks of many changes into one statement
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _sweep_once(self) -> None:
        if self._replay:
            await self._replay_recent()
        told, self._told = self._told, []
        async with self._pool.acquire() as conn:
            if told:
                await store.mark_published(conn, told)
            rows = await store.pending(conn, self._settings.invalidation_batch_max)
            _PENDING.set(await store.count_pending(conn) if rows else 0)
        if rows:
            await self._tell(rows)
            self._wake.set()

    async def _replay_recent(self) -> None:
        after = 0
        while True:
            async with self._pool.acquire() as conn:
                rows = await store.recent(
                    conn, self._settings.invalidation_replay_s, after, self._settings.invalidation_batch_max
                )
            if not rows:
                break
            await self._tell(rows)
            after = rows[-1]["revision"]
        self._replay = False

    async def _tell(self, rows: Sequence[Record]) -> None:
        """Bury what another process could not; Redis tells everybody of it but us (NOLOOP)."""
        changes = [Change(row["slug"], row["revision"]) for row in rows]
        for change in changes:
            self._holder.forget(change.slug, change.revision, "sweep")
        await self._shared.bury(changes)
        self._told.extend(change.revision for change in changes)

    async def listen(self) -> None:
        """Run until cancelled: hear every change at its commit, on a connection of its own."""
        pause_s = 0.05
        while True:
            try:
                await self._listen_once()
                pause_s = 0.05
            except _PASSING as error:
                log.info("invalidation.listen_failed", error=type(error).__name__)
                pause_s = min(pause_s * 2, self._settings.invalidation_sweep_s)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 spreads

    async def _listen_once(self) -> None:
        """One life of the listening connection; the holder is told when it begins and when it ends."""
        timeout_s = self._settings.invalidation_timeout_s
        password = self._settings.database_password
        conn = await asyncpg.connect(
            self._settings.database_url,
            password=None if password is None else password.get_secret_value(),
            timeout=timeout_s,
            command_timeout=timeout_s,
            server_settings={"application_name": f"{self._settings.service_name}-listen"},
        )
        ended = asyncio.Event()
        try:
            conn.add_termination_listener(lambda _conn: ended.set())
            await conn.add_listener(CHANNEL, self._heard)
            await self._catch_up(conn)
            self._holder.on_listening(listening=True)
            log.info("invalidation.listening")
            while not ended.is_set():
                await conn.execute("SELECT 1")
                try:
                    async with asyncio.timeout(self._settings.invalidation_heartbeat_s):
                        await ended.wait()
                except TimeoutError:
                    continue
        finally:
            self._holder.on_listening(listening=False)
            conn.terminate()

    async def _catch_up(self, conn: Connection) -> None:
        """Learn of the changes that Redis may not know yet and that were told before we listened."""
        after, size = 0, self._settings.invalidation_batch_max
        while rows := await store.unpublished(conn, after, size):
            for row in rows:
                self._holder.forget(row["slug"], row["revision"], "catch-up")
            after = rows[-1]["revision"]

    def _heard(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        for change in parse_payload(str(payload)):
            self._holder.forget(change.slug, change.revision, "notify")
