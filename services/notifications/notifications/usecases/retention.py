"""Deliveries are kept for a while only."""

from datetime import UTC, datetime, timedelta

from chassis.logs import get_logger
from chassis.postgres import PASSING
from chassis.server import StopSignal

from notifications.resources import Resources
from notifications.store import deliveries

_log = get_logger(__name__)


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
    before = datetime.now(UTC) - timedelta(seconds=res.settings.deliveries_kept_s)
    limit = res.settings.reap_batch_max
    total, deleted = 0, limit
    while deleted >= limit:
        async with res.db.acquire() as conn:
            deleted = await deliveries.reap(conn, before, limit)
        total += deleted
    return total
