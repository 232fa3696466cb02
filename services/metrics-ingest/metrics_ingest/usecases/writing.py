"""From Kafka to the store with an effect of exactly once: points count behind a barrier (ADR-0027).

The store has no log of its own: what it answers 204 to lies in its memory. So batches are written as they
come, and every second a barrier makes them count: the same store process as before the first of them, a
snapshot (all is on disk), the same process still, then offsets and ledger in one transaction. Anything else
goes back to the committed offsets and writes again; the store keeps one of equal samples.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chassis import dlq, logs, metrics
from chassis.kafka import Message, offsets
from chassis.kafka.offsets import Moves
from chassis.parking import Place
from chassis.postgres import PASSING, Connection, Pool
from chassis.retry import Kind, Poison

from metrics_ingest.domain import accounting, merging
from metrics_ingest.domain.accounting import Account, Entries
from metrics_ingest.domain.bodies import BodyMalformed
from metrics_ingest.domain.merging import Block
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.store import ledger
from metrics_ingest.usecases.pending import Pending
from metrics_ingest.victoria import StoreAway, StoreRefused

log = logs.get_logger(__name__)

GROUP = "metrics-writer"
_NOT_NOW: tuple[type[Exception], ...] = (StoreAway, offsets.Rewind, *PASSING)

_POINTS = metrics.counter("metrics_writer_points_total", "Points behind the barrier.", ("outcome",))
_BARRIER_SECONDS = metrics.histogram("metrics_writer_barrier_seconds", "One barrier, with its commit.")
_REWINDS = metrics.counter(
    "metrics_writer_rewinds_total",
    "Times that points since the last barrier were written again.",
    ("reason",),
)
_LAG = metrics.gauge(
    "metrics_writer_lag_seconds", "Age of the oldest record in hand that does not count yet."
)
_BATCH_POINTS = metrics.histogram(
    "metrics_writer_batch_points",
    "Points of one write to the store.",
    buckets=(10, 100, 1_000, 5_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000),
)


class Store(Protocol):
    async def write(self, tenant_id: str, body: bytes) -> None: ...
    async def started_at(self) -> str: ...
    async def create_snapshot(self) -> str: ...
    async def delete_snapshot(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A record whose headers could be read."""

    message: Message
    account: Account


@dataclass(slots=True)
class Sorted:
    """A batch: blocks by tenant, and what can already be said of the rest."""

    blocks: dict[str, list[Block[Parcel]]] = field(default_factory=dict)
    entries: Entries = field(default_factory=Counter)
    letters: list[dlq.DeadLetter] = field(default_factory=list)
    points: int = 0

    def bury(self, message: Message, account: Account | None, reason: str, error: Exception) -> None:
        kind = Kind.POISON if reason == accounting.UNDECODABLE else Kind.PERMANENT
        self.letters.append(dlq.DeadLetter(message, error, kind, attempts=1))
        if account is not None:
            self.entries.update(accounting.written(account, message.partition, reason))


class Writing:
    """A strategy of the group's loop: writes at once, commits at the barrier."""

    def __init__(self, pool: Pool, store: Store, bounds: WriterBounds, committed: Callable[[], None]) -> None:
        """`committed` is called after each barrier: dead letters may wait in the outbox."""
        self._pool = pool
        self._store = store
        self._bounds = bounds
        self._committed = committed
        self._pending = Pending()
        # The store's process to which everything pending was written.
        self._process = ""
        # When the oldest record that does not count yet was produced.
        self._oldest_ms: dict[tuple[str, int], int] = {}
        _LAG.set_function(self.lag_s)  # at the moment of the scrape: a turn may hang in a call

    async def run(self, messages: list[Message], moves: Moves) -> None:
        """Raises `StoreAway`: the loop reads the same records again, a little later."""
        for message in messages:
            self._oldest_ms.setdefault((message.topic, message.partition), message.timestamp_ms)
        if not self._pending:
            self._process = await self._store.started_at()
        batch = sort_out(messages)
        for tenant_id, blocks in batch.blocks.items():
            await self._write_all(tenant_id, blocks, batch)
        self._pending.add(
            moves or {}, batch.entries, batch.letters, points=batch.points, now=time.monotonic()
        )

    def lag_s(self) -> float:
        oldest = min(self._oldest_ms.values(), default=None)
        return 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)

    async def between(self) -> None:
        if self._is_due():
            await self._barrier()

    async def finish(self) -> None:
        if not self._pending:
            return
        try:
            async with asyncio.timeout(self._bounds.finish_timeout_s):
                await self._barrier()
        except _NOT_NOW as error:
            log.info("writer.left_without_barrier", points=self._pending.points, error=type(error).__name__)

    def uncommitted(self) -> Mapping[tuple[str, int], int]:
        return {partition: expected for partition, (expected, _) in self._pending.moves.items()}

    async def load(self, conn: Connection, places: Sequence[Place]) -> None:  # noqa: ARG002 the loop's protocol
        self.forget(places)

    def forget(self, places: Sequence[Place]) -> None:
        partitions = [(place.topic, place.partition) for place in places]
        self._pending.forget(partitions)
        for partition in partitions:
            self._oldest_ms.pop(partition, None)

    async def _write_all(self, tenant_id: str, blocks: Sequence[Block[Parcel]], batch: Sorted) -> None:
        groups = merging.groups(
            blocks,
            bytes_max=self._bounds.merge_bytes_max,
            unpacked_bytes_max=self._bounds.merge_unpacked_bytes_max,
        )
        for group in groups:
            refused = await self._write(tenant_id, group)
            gone = {id(block) for block, _ in refused}
            for block, error in refused:
                batch.bury(block.source.message, block.source.account, accounting.STORE_REFUSED, error)
            for block in group:
                if id(block) not in gone:
                    parcel = block.source
                    batch.entries.update(accounting.written(parcel.account, parcel.message.partition, None))

    async def _write(
        self, tenant_id: str, blocks: Sequence[Block[Parcel]]
    ) -> list[tuple[Block[Parcel], StoreRefused]]:
        """Write them in one request; one that is refused is halved until the culprits stand alone."""
        try:
            await self._store.write(tenant_id, merging.merge(blocks))
        except StoreRefused as error:
            if len(blocks) == 1:
                return [(blocks[0], error)]
            middle = len(blocks) // 2
            first = await self._write(tenant_id, blocks[:middle])
            return first + await self._write(tenant_id, blocks[middle:])
        _BATCH_POINTS.labels().observe(sum(block.source.account.accepted for block in blocks))
        return []

    def _is_due(self) -> bool:
        pending = self._pending
        return bool(pending) and (
            time.monotonic() - pending.since >= self._bounds.barrier_every_s
            or pending.points >= self._bounds.barrier_points_max
            or len(pending.letters) >= self._bounds.barrier_dead_max
        )

    async def _barrier(self) -> None:
        """Raises `StoreAway` and the database's absence (all stays pending), or `offsets.Rewind`."""
        started = time.perf_counter()
        await self._expect_same_process()
        snapshot = await self._store.create_snapshot()
        try:
            await self._expect_same_process()
            await self._commit()
        finally:
            await self._drop(snapshot)
        _BARRIER_SECONDS.labels().observe(time.perf_counter() - started)
        self._committed()

    async def _expect_same_process(self) -> None:
        if await self._store.started_at() == self._process:
            return
        self._pending = Pending()
        _REWINDS.labels("store_restarted").inc()
        raise offsets.Rewind("the store was started again: what it held in memory may be gone")

    async def _commit(self) -> None:
        # Partitions that are given away meanwhile leave this one alone: their rows decide who was first.
        pending, self._pending = self._pending, Pending()
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                await offsets.advance(conn, GROUP, pending.moves)
                await add_entries(conn, pending.entries)
                await dlq.bury(conn, GROUP, pending.letters)
        except offsets.OwnershipLost:
            _REWINDS.labels("ownership_lost").inc()
            raise
        except BaseException:
            self._pending = pending
            raise
        for partition in pending.moves:
            self._oldest_ms.pop(partition, None)
        for entry, points in pending.entries.items():
            _POINTS.labels(entry.reason or entry.account).inc(points)
        dlq.tell(GROUP, pending.letters)

    async def _drop(self, snapshot: str) -> None:
        try:
            await self._store.delete_snapshot(snapshot)
        except StoreAway as error:
            log.info("writer.snapshot_left", snapshot=snapshot, error=str(error))


async def add_entries(conn: Connection, entries: Entries) -> None:
    """In the caller's transaction."""
    if not entries:
        return
    tenant_ids, partitions, accounts, reasons = zip(*entries, strict=True)
    await ledger.add(conn, tenant_ids, partitions, accounts, reasons, list(entries.values()))


def sort_out(messages: Sequence[Message]) -> Sorted:
    batch = Sorted()
    for message in messages:
        try:
            account = accounting.read(message.header)
        except accounting.HeadersUnreadable as error:
            batch.bury(message, None, accounting.UNDECODABLE, Poison(str(error)))
            continue
        batch.points += account.accepted
        if not message.value and not account.storable:
            continue  # a request of which nothing is to be stored, told of for the ledger
        try:
            block = merging.read(Parcel(message, account), message.value)
        except BodyMalformed as error:
            batch.bury(message, account, accounting.UNDECODABLE, error)
        else:
            batch.blocks.setdefault(account.tenant_id, []).append(block)
    return batch
