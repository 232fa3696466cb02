"""What is kept for a while only: visitors of a day, stored answers, told invalidations, event ids."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from chassis import idempotency, inbox
from chassis.postgres import Connection, Pool

from shortener.settings import ShortenerSettings
from shortener.store import clicks, invalidations

# Beyond the retention of the clicks topic (two days): a record can still arrive that long after it was sent.
INBOX_KEPT: Final = timedelta(days=4)
IDEMPOTENCY_KEPT: Final = timedelta(days=1)

Reap = Callable[[Connection], Awaitable[int]]


async def reap(db: Pool, settings: ShortenerSettings) -> int:
    """Delete what is over, in small transactions; give how many rows."""
    now = datetime.now(UTC)
    limit = settings.reap_batch_max
    oldest_day = (now - timedelta(days=settings.visitors_kept_days)).date()
    told_kept_s = settings.invalidation_replay_s * 2
    steps: tuple[Reap, ...] = (
        lambda conn: clicks.reap_visitors(conn, oldest_day, limit),
        lambda conn: invalidations.delete_published(conn, told_kept_s, limit),
        lambda conn: idempotency.reap(conn, now - IDEMPOTENCY_KEPT, limit=limit),
        lambda conn: inbox.reap(conn, now - INBOX_KEPT, limit=limit),
    )
    total = 0
    for step in steps:
        deleted = limit
        while deleted >= limit:
            async with db.acquire() as conn, conn.transaction():
                deleted = await step(conn)
            total += deleted
    return total
