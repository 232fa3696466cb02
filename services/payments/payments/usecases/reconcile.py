"""Completer and reconciler: takes up what has no owner, until the bank has said how it ended."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import asyncpg
from chassis.logs import get_logger
from chassis.postgres import PASSING
from chassis.server import StopSignal
from chassis.telemetry import use_traceparent

from payments.bank import Permit
from payments.domain.operations import Kind, Operation
from payments.resources import Resources
from payments.store import operations as store
from payments.usecases import money_metrics
from payments.usecases.operations import Handler, Overtaken, conclude

_log = get_logger(__name__)

Handlers = Mapping[Kind, Handler]
GAUGES_EVERY_S: Final = 1.0
_UNSETTLED: Final[tuple[type[Exception], ...]] = (*PASSING, asyncpg.PostgresError, LookupError)
LEASE_TIMEOUTS: Final = 2  # of the bank: one attempt and its settling


async def run(res: Resources, handlers: Handlers, stop: StopSignal) -> None:
    """Until stopped; several at once share the work."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_reconcile(res, handlers, stop))
        group.create_task(_watch(res, stop))


async def _reconcile(res: Resources, handlers: Handlers, stop: StopSignal) -> None:
    busy = False
    while busy or not await stop.sleep(res.settings.reconcile_poll_s):
        if stop.is_set():
            return
        try:
            busy = await reconcile_due(res, handlers) == res.settings.reconcile_batch_max
        except PASSING as error:
            busy = False
            _log.info("reconcile.postponed", error=type(error).__name__)


async def reconcile_due(res: Resources, handlers: Handlers) -> int:
    """One batch, its calls at the same time; the answer counts the operations taken up.

    While the breaker is open nothing is taken up, and while it probes only one: what is due stays due.
    """
    async with res.bank.permit() as permit:
        if permit is None:
            return 0
        at = res.clock.now()
        async with res.db.acquire() as conn:
            taken = await store.take_due(
                conn,
                at=at,
                due_at=at + timedelta(seconds=LEASE_TIMEOUTS * res.settings.bank_timeout_s),
                limit=res.settings.reconcile_batch_max if res.bank.trusted else 1,
            )
        async with asyncio.TaskGroup() as group:
            for op in taken:
                group.create_task(_finish(res, permit, handlers[op.kind], op))
    return len(taken)


async def _finish(res: Resources, permit: Permit, handler: Handler, op: Operation) -> None:
    with use_traceparent(op.traceparent):
        outcome = await permit.ask(op)
        try:
            await conclude(res, handler, op, outcome)
        except Overtaken:
            return
        except _UNSETTLED as error:
            # The lease runs out, and the bank says the same again; one that cannot settle stops no other.
            _log.warning("operation.not_settled", operation=op.id, error=type(error).__name__)
            return
    name = type(outcome).__name__.lower()
    money_metrics.OPERATIONS_RECONCILED.labels(op.kind, name).inc()
    _log.info("operation.reconciled", operation=op.id, kind=op.kind, outcome=name, attempts=op.attempts)


async def _watch(res: Resources, stop: StopSignal) -> None:
    while not await stop.sleep(GAUGES_EVERY_S):
        try:
            await measure(res)
        except PASSING as error:
            _log.info("reconcile.unmeasured", error=type(error).__name__)


async def measure(res: Resources) -> None:
    """Set the gauges of unknown outcomes."""
    at = res.clock.now()
    async with res.db.acquire() as conn:
        rows = await store.count_unknown(conn, at)
    counts = {row["kind"]: row["operations"] for row in rows}
    for kind in Kind:
        money_metrics.UNKNOWN.labels(kind).set(counts.get(kind, 0))
    oldest = min((row["since"] for row in rows), default=at)
    money_metrics.UNKNOWN_AGE.set(max(0.0, (at - oldest).total_seconds()))
