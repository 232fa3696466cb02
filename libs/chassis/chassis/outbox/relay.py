"""Outbox to Kafka: batches of the leased shards, every acknowledgement awaited, then deleted by id."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import asyncpg
from opentelemetry import trace

from chassis import logs, metrics
from chassis.outbox import store
from chassis.outbox.leases import Lease, Leases
from chassis.postgres import UNAVAILABLE, DatabaseUnavailable, Pool
from chassis.records import TRACEPARENT, Ack, Record, RecordRefused, Result
from chassis.retry import Stop, pause_s, sleep_or_stop
from chassis.telemetry import parse_traceparent

log = logs.get_logger(__name__)
tracer = trace.get_tracer(__name__)

_PENDING = metrics.gauge("outbox_pending_records", "Rows of this relay's shards that wait for Kafka.")
_OLDEST = metrics.gauge("outbox_oldest_age_seconds", "Age of the oldest row of this relay's shards.")
_RELAYED = metrics.counter("outbox_relayed_total", "Rows acknowledged by Kafka and deleted.")
_REFUSED = metrics.counter("outbox_refused_total", "Rows that the broker will never take, set aside.")
_SHARDS = metrics.gauge("outbox_shards_leased", "Shards that this relay sends.")


@dataclass(frozen=True, slots=True)
class RelayLimits:
    lanes: int = 2
    shard_records_max: int = 500
    batch_bytes_max: int = 8 * 1024 * 1024
    poll_s: float = 0.1
    lease_s: float = 5.0
    renew_s: float = 1.0
    report_s: float = 2.0
    failure_pause_max_s: float = 2.0
    spans_max: int = 64


class Sender(Protocol):
    """What the relay needs of `kafka.Producer`."""

    async def send_many(self, records: Sequence[Record]) -> list[Result]: ...


class Relay:
    """Any number may run: 16 shards, by hash of the key, are divided among those alive.

    The order of a key holds because one relay at a time owns its shard, reads it by id, and sends no row of a
    partition after one that failed. Ids follow commits for one key, not between keys: see `Event`.
    """

    def __init__(self, pool: Pool, producer: Sender, limits: RelayLimits | None = None) -> None:
        self._pool = pool
        self._producer = producer
        self._limits = limits or RelayLimits()
        self._leases = Leases(self._limits.lease_s)
        # A lane sends while another reads or deletes; its shards never change while its lock is held.
        self._lanes = [(asyncio.Lock(), asyncio.Event()) for _ in range(self._limits.lanes)]

    def wake(self) -> None:
        """Look now instead of at the next poll; for a use case in the same process, after its commit."""
        for _, woken in self._lanes:
            woken.set()

    async def run(self, stop: Stop) -> None:
        keepers = [
            asyncio.create_task(self._keep_leases(), name="outbox-leases"),
            asyncio.create_task(self._keep_shares(), name="outbox-shares"),
        ]
        try:
            await asyncio.gather(*(self._run_lane(lane, stop) for lane in range(len(self._lanes))))
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.wait(keepers)
            with contextlib.suppress(DatabaseUnavailable):
                async with self._pool.acquire() as conn:
                    await self._leases.leave(conn)
            _SHARDS.set(0)

    async def _run_lane(self, lane: int, stop: Stop) -> None:
        lock, woken = self._lanes[lane]
        failures = 0
        while not stop.is_set():
            try:
                async with lock:
                    full = await self._pass(lane)
                failures = 0
            except Exception as error:  # noqa: BLE001 - one of the two loops that must not die
                failures += 1
                log.warning("outbox.pass_failed", error=f"{type(error).__name__}: {error}")
                pause = pause_s(failures, first_s=0.1, most_s=self._limits.failure_pause_max_s)
                await sleep_or_stop(stop, pause)
            else:
                if not full:
                    await _rest(stop, woken, self._limits.poll_s)

    async def _pass(self, lane: int) -> bool:
        """Send one batch; True when there may be more at once."""
        held = self._leases.held()
        leases = {shard: lease for shard, lease in held.items() if shard % len(self._lanes) == lane}
        if not leases:
            return False
        async with self._pool.acquire() as conn:
            rows = await store.fetch(
                conn,
                list(leases),
                per_shard=self._limits.shard_records_max,
                bytes_max=self._limits.batch_bytes_max,
            )
        if not rows:
            return False
        results = await self._send(rows)
        acknowledged = [
            row["id"] for row, result in zip(rows, results, strict=True) if isinstance(result, Ack)
        ]
        await self._settle(leases, acknowledged, rows, results)
        # Nothing acknowledged: the broker is away, do not read the same rows in a tight loop.
        return bool(acknowledged) and len(rows) >= self._limits.shard_records_max

    async def _send(self, rows: Sequence[asyncpg.Record]) -> list[Result]:
        records = [
            Record(
                row["topic"],
                row["key"],
                row["value"],
                list(zip(row["header_names"], row["header_values"], strict=True)),
            )
            for row in rows
        ]
        started = time.time_ns()
        results = await self._producer.send_many(records)
        self._record_spans(records, results, started)
        return results

    async def _settle(
        self,
        leases: Mapping[int, Lease],
        acknowledged: list[int],
        rows: Sequence[asyncpg.Record],
        results: Sequence[Result],
    ) -> None:
        refused = [
            (row["id"], str(result))
            for row, result in zip(rows, results, strict=True)
            if isinstance(result, RecordRefused)
        ]
        async with self._pool.acquire() as conn:
            deleted = await store.delete(conn, self._leases.owner, leases, acknowledged)
            _RELAYED.inc(deleted)
            if deleted < len(acknowledged):
                log.warning("outbox.lease_lost", rows=len(acknowledged) - deleted)
            for row_id, error in refused:
                await store.set_aside(conn, row_id, error)
                _REFUSED.inc()
                log.error("outbox.record_refused", id=row_id, error=error)

    async def _keep_leases(self) -> None:
        """Beside the sending, so that a slow broker costs no lease."""
        while True:
            await asyncio.sleep(self._limits.renew_s)
            try:
                async with self._pool.acquire() as conn:
                    await self._leases.renew(conn)
            except UNAVAILABLE as error:
                log.warning("outbox.lease_not_renewed", error=type(error).__name__)

    async def _keep_shares(self) -> None:
        report_at = 0.0
        while True:
            try:
                await self._share_out()
                if time.monotonic() >= report_at:
                    await self._report()
                    report_at = time.monotonic() + self._limits.report_s
            except UNAVAILABLE as error:
                log.warning("outbox.shares_unknown", error=type(error).__name__)
            await asyncio.sleep(self._limits.renew_s)

    async def _share_out(self) -> None:
        async with contextlib.AsyncExitStack() as quiet:
            for lock, _ in self._lanes:
                await quiet.enter_async_context(lock)
            async with self._pool.acquire() as conn:
                await self._leases.share_out(conn)
        _SHARDS.set(len(self._leases.held()))
        self.wake()

    async def _report(self) -> None:
        async with self._pool.acquire() as conn:
            backlog = await store.backlog(conn, list(self._leases.held()))
        _PENDING.set(backlog["pending"])
        _OLDEST.set(backlog["age_s"])

    def _record_spans(self, records: Sequence[Record], results: Sequence[Result], started: int) -> None:
        """A span for each sampled event, in the trace of the request that wrote it."""
        ended, left = time.time_ns(), self._limits.spans_max
        for record, result in zip(records, results, strict=True):
            if left == 0:
                return
            parent = _sampled(record)
            if parent is None:
                continue
            left -= 1
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
            span = tracer.start_span(
                f"send {record.topic}", context, trace.SpanKind.PRODUCER, start_time=started
            )
            span.set_attribute("messaging.destination.name", record.topic)
            if not isinstance(result, Ack):
                span.set_status(trace.StatusCode.ERROR, str(result))
            span.end(ended)


def _sampled(record: Record) -> trace.SpanContext | None:
    for name, value in record.headers:
        if name == TRACEPARENT and value and value.endswith(b"01"):
            return parse_traceparent(value)
    return None


async def _rest(stop: Stop, woken: asyncio.Event, seconds: float) -> None:
    waiters = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(woken.wait())]
    await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for waiter in waiters:
        waiter.cancel()
    woken.clear()
