"""Outbox to Kafka: batches of the leased shards, every acknowledgement awaited, then deleted by id."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import asyncpg
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis import logs, metrics
from chassis.outbox import store
from chassis.outbox.leases import Lease, Leases
from chassis.postgres import UNAVAILABLE, DatabaseUnavailable, Pool
from chassis.records import TRACEPARENT, Ack, Record, RecordRefused, Result
from chassis.retry import Stop, pause_s

log = logs.get_logger(__name__)
tracer = trace.get_tracer(__name__)

_PENDING = metrics.gauge("outbox_pending_records", "Rows of this relay's shards that wait for Kafka.")
_OLDEST = metrics.gauge("outbox_oldest_age_seconds", "Age of the oldest row of this relay's shards.")
_RELAYED = metrics.counter("outbox_relayed_total", "Rows acknowledged by Kafka and deleted.")
_REFUSED = metrics.counter("outbox_refused_total", "Rows that the broker will never take, set aside.")
_SHARDS = metrics.gauge("outbox_shards_leased", "Shards that this relay sends.")


@dataclass(frozen=True, slots=True)
class RelayLimits:
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
        self._wake = asyncio.Event()
        self._share_at = self._report_at = 0.0

    def wake(self) -> None:
        """Look now instead of at the next poll; for a use case in the same process, after its commit."""
        self._wake.set()

    async def run(self, stop: Stop) -> None:
        renewer = asyncio.create_task(self._keep_leases(), name="outbox-leases")
        failures = 0
        try:
            while not stop.is_set():
                try:
                    await self._share_out()
                    full = await self._pass()
                    await self._report()
                    failures = 0
                except Exception as error:  # noqa: BLE001 - one of the two loops that must not die
                    failures += 1
                    log.warning("outbox.pass_failed", error=f"{type(error).__name__}: {error}")
                    await self._rest(
                        stop, pause_s(failures, first_s=0.1, most_s=self._limits.failure_pause_max_s)
                    )
                else:
                    if not full:
                        await self._rest(stop, self._limits.poll_s)
        finally:
            renewer.cancel()
            await asyncio.wait([renewer])
            with contextlib.suppress(DatabaseUnavailable):
                async with self._pool.acquire() as conn:
                    await self._leases.leave(conn)
            _SHARDS.set(0)

    async def _pass(self) -> bool:
        """Send one batch; True when there may be more at once."""
        leases = self._leases.held()
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

    async def _share_out(self) -> None:
        now = time.monotonic()
        if now >= self._share_at:
            async with self._pool.acquire() as conn:
                await self._leases.share_out(conn)
            self._share_at = now + self._limits.renew_s
            _SHARDS.set(len(self._leases.held()))

    async def _report(self) -> None:
        now = time.monotonic()
        if now >= self._report_at:
            async with self._pool.acquire() as conn:
                backlog = await store.backlog(conn, list(self._leases.held()))
            self._report_at = now + self._limits.report_s
            _PENDING.set(backlog["pending"])
            _OLDEST.set(backlog["age_s"])

    def _record_spans(self, records: Sequence[Record], results: Sequence[Result], started: int) -> None:
        """A span for each sampled event, in the trace of the request that wrote it."""
        ended, left = time.time_ns(), self._limits.spans_max
        for record, result in zip(records, results, strict=True):
            traceparent = next((value for name, value in record.headers if name == TRACEPARENT), b"")
            if not traceparent.endswith(b"01") or left == 0:
                continue
            left -= 1
            context = TraceContextTextMapPropagator().extract(
                {TRACEPARENT: traceparent.decode("ascii", "replace")}
            )
            span = tracer.start_span(
                f"send {record.topic}", context, trace.SpanKind.PRODUCER, start_time=started
            )
            span.set_attribute("messaging.destination.name", record.topic)
            if not isinstance(result, Ack):
                span.set_status(trace.StatusCode.ERROR, str(result))
            span.end(ended)

    async def _rest(self, stop: Stop, seconds: float) -> None:
        waiters = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())]
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()
        self._wake.clear()
