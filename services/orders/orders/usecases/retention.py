"""What is kept for a while only: stored answers, and the ids of events that were applied."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from chassis import idempotency, inbox
from chassis.logs import get_logger
from chassis.postgres import PASSING, Connection, Pool
from chassis.server import StopSignal

from orders.resources import now
from orders.settings import OrdersSettings

_log = get_logger(__name__)

# Beyond the retention of every topic that is consumed (seven days), so that a replay changes nothing.
INBOX_KEPT: Final = timedelta(days=9)

Reap = Callable[[Connection], Awaitable[int]]


async def run(settings: OrdersSettings, db: Pool, stop: StopSignal) -> None:
    while not await stop.sleep(settings.reap_every_s):
        try:
            deleted = await reap(settings, db)
        except PASSING as error:
            _log.info("retention.postponed", error=type(error).__name__)
        else:
            _log.info("retention.reaped", rows=deleted)


async def reap(settings: OrdersSettings, db: Pool) -> int:
    """Delete what is over, in small transactions; give how many rows."""
    at, limit = now(), settings.reap_batch_max
    kept = timedelta(seconds=settings.idempotency_kept_s)
    steps: tuple[Reap, ...] = (
        lambda conn: idempotency.reap(conn, at - kept, limit=limit),
        lambda conn: inbox.reap(conn, at - INBOX_KEPT, limit=limit),
    )
    total = 0
    for step in steps:
        deleted = limit
        while deleted >= limit:
            async with db.acquire() as conn, conn.transaction():
                deleted = await step(conn)
            total += deleted
    return total
