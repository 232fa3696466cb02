"""Rollups: metrics that a tenant declares, summed up by one writer, again while late points may come.

A turn looks at the windows that have just closed; every `recheck_s` at all of the late window. What it finds
is compared with what the store has: what is missing or came to something else is written, so that a turn is
idempotent, and what a crash of the store took is back after the next one. The lease keeps two writers from
evaluating at once; nobody gives it back, as what was written last takes a second to be seen.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import cramjam
import msgspec
from asyncpg import Record
from chassis import metrics
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.postgres import PASSING, Pool
from chassis.server import StopSignal

from metrics_ingest.domain import questions, replies, rollups
from metrics_ingest.domain.rollups import Rows, Span, Window
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.inquiry import AnswerTooLarge
from metrics_ingest.store import rollups as store
from metrics_ingest.usecases.queries import Store
from metrics_ingest.victoria import StoreAway, StoreRefused

_log = get_logger(__name__)
_MESSAGE_BYTES_MAX: Final = 4 * 2**20
# Closed windows that every turn looks at.
_RECENT: Final = 3
_TURNS = metrics.counter("metrics_rollups_total", "Evaluations of a metric's rollups.", ("outcome",))
_SAMPLES = metrics.counter("metrics_rollup_samples_total", "Samples of rollups that were written.")
# Of one metric; the others go on.
_FAILURES: Final = (StoreAway, StoreRefused, AnswerTooLarge, replies.ReplyUnreadable, TimeoutError)


class Writing(Protocol):
    async def write(self, tenant_id: str, body: bytes) -> None:
        """A snappy block of a remote write message. Raises `StoreAway`, `StoreRefused`."""


class _Data(msgspec.Struct):
    result: list[Rows]


class _Reply(msgspec.Struct):
    data: _Data


_replies = msgspec.json.Decoder(_Reply)


class LeaseLost(Exception):  # noqa: N818 a state
    """Another writer evaluates now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds, bytes and counts of the evaluation (settings: rollup_*)."""

    every_s: float = 60.0
    recheck_s: float = 900.0
    grace_s: float = 30.0
    lease_s: float = 60.0
    timeout_s: float = 20.0
    answer_bytes_max: int = 8 * 2**20
    batch_max: int = 200


class Rollups:
    """One a writer process."""

    def __init__(
        self,
        pool: Pool,
        asking: Store,
        writing: Writing,
        pace: Pace,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._asking = asking
        self._writing = writing
        self._pace = pace
        self._clock = clock
        self._owner = str(uuid7())

    async def run(self, stop: StopSignal) -> None:
        while not await stop.sleep(self._pace.every_s):
            try:
                await self.turn(stop)
            except LeaseLost:
                continue
            except PASSING as error:
                _log.info("rollups.postponed", error=type(error).__name__)

    async def turn(self, stop: StopSignal) -> None:
        """Every declared metric once. Raises `LeaseLost` and what Postgres raises."""
        after = ("", "")
        while not stop.is_set():
            await self._hold()
            async with self._pool.acquire() as conn:
                rows = await store.page(conn, after, self._pace.recheck_s, self._pace.batch_max)
            for row in rows:
                if stop.is_set():
                    return
                await self._evaluate(row)
            if len(rows) < self._pace.batch_max:
                return
            after = (rows[-1]["tenant_id"], rows[-1]["metric"])

    async def _hold(self) -> None:
        async with self._pool.acquire() as conn:
            if not await store.take_lease(conn, self._owner, self._pace.lease_s):
                raise LeaseLost

    async def _evaluate(self, row: Record) -> None:
        tenant_id, metric = row["tenant_id"], row["metric"]
        try:
            for window in rollups.WINDOWS:
                await self._roll_up(tenant_id, metric, window, self._span(window, row))
        except _FAILURES as error:
            _TURNS.labels("failed").inc()
            _log.warning("rollup.failed", tenant=tenant_id, metric=metric, error=type(error).__name__)
            return
        _TURNS.labels("evaluated").inc()
        if row["whole"]:
            async with self._pool.acquire() as conn:
                await store.rechecked(conn, tenant_id, metric)

    def _span(self, window: Window, row: Record) -> Span:
        pace = self._pace
        back_s = _RECENT * window.seconds + pace.grace_s
        if row["whole"]:
            back_s = row["late_window_s"] + pace.recheck_s + window.seconds
        return rollups.span(window, self._clock(), back_s=back_s, grace_s=pace.grace_s)

    async def _roll_up(self, tenant_id: str, metric: str, window: Window, span: Span) -> None:
        """In halves where the answers are too large."""
        await self._hold()
        try:
            # What this lease covers ends with it: a later one's samples never meet ours.
            async with asyncio.timeout(self._pace.lease_s / 2):
                await self._write_changes(tenant_id, metric, window, span)
        except AnswerTooLarge:
            halves = rollups.halves(window, span)
            if not halves:
                raise
            for half in halves:
                await self._roll_up(tenant_id, metric, window, half)

    async def _write_changes(self, tenant_id: str, metric: str, window: Window, span: Span) -> None:
        fresh = await self._rows(tenant_id, rollups.fresh_expression(metric, window), window, span)
        if not fresh:
            return
        kept = await self._rows(tenant_id, rollups.kept_expression(metric, window), window, span)
        stamps = await self._rows(tenant_id, rollups.stamps_expression(metric, window), window, span)
        found = await asyncio.to_thread(rollups.changes, fresh, kept, stamps)
        for message in rollups.messages(found, _MESSAGE_BYTES_MAX):
            await self._writing.write(tenant_id, bytes(cramjam.snappy.compress_raw(message)))
        _SAMPLES.inc(sum(map(len, found.values())))

    async def _rows(self, tenant_id: str, expression: str, window: Window, span: Span) -> list[Rows]:
        form = [
            ("query", expression),
            ("start", str(span.first_s)),
            ("end", str(span.last_s)),
            ("step", str(window.seconds)),
            ("extra_filters[]", questions.tenant_filter(tenant_id)),
            ("nocache", "1"),
            ("timeout", str(self._pace.timeout_s)),
        ]
        status, body = await self._asking.ask(
            "/api/v1/query_range",
            form,
            timeout_s=self._pace.timeout_s,
            bytes_max=self._pace.answer_bytes_max,
        )
        if status != HTTPStatus.OK:
            raise StoreRefused(replies.error_text(body))
        try:
            return (await asyncio.to_thread(_replies.decode, body)).data.result
        except msgspec.MsgspecError as error:
            raise replies.ReplyUnreadable(str(error)) from error


async def declared(pool: Pool, tenant: Tenant) -> list[str]:
    async with pool.acquire() as conn:
        return [row["metric"] for row in await store.declared(conn, tenant.id)]


async def declare(pool: Pool, tenant: Tenant, wanted: Sequence[str]) -> list[str]:
    """These and no others from now on; new ones begin with the whole late window."""
    names = sorted(set(wanted))
    async with pool.acquire() as conn, conn.transaction():
        await store.drop_others(conn, tenant.id, names)
        await store.declare(conn, tenant.id, names)
    return names
