"""What is kept for a while only: answers under keys, events with their deliveries, deleted endpoints."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from chassis import idempotency
from chassis.logs import get_logger
from chassis.postgres import PASSING, Connection
from chassis.server import StopSignal

from payments.resources import Resources
from payments.store import events, webhook_endpoints

_log = get_logger(__name__)

Reap = Callable[[Connection], Awaitable[int]]


async def run(res: Resources, stop: StopSignal) -> None:
    """Until stopped; several at once take different rows."""
    while not await stop.sleep(res.settings.reap_every_s):
        try:
            deleted = await reap(res)
        except PASSING as error:
            _log.info("retention.postponed", error=type(error).__name__)
        else:
            _log.info("retention.reaped", rows=deleted)


async def reap(res: Resources) -> int:
    """Delete what is over, in small transactions; give how many rows."""
    settings, now = res.settings, res.clock.now()
    keys_before = now - timedelta(seconds=settings.idempotency_kept_s)
    events_before = now - timedelta(seconds=settings.events_kept_s)
    steps: tuple[tuple[Reap, int], ...] = (
        (
            lambda conn: idempotency.reap(conn, keys_before, limit=settings.idempotency_reap_batch_max),
            settings.idempotency_reap_batch_max,
        ),
        (lambda conn: events.reap(conn, events_before, settings.reap_batch_max), settings.reap_batch_max),
        (lambda conn: webhook_endpoints.reap(conn, settings.reap_batch_max), settings.reap_batch_max),
    )
    total = 0
    for step, limit in steps:
        deleted = limit
        while deleted >= limit:
            async with res.db.acquire() as conn:
                deleted = await step(conn)
            total += deleted
    return total
