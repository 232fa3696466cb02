"""What is kept for a while only: answers under keys, ids of applied events."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from chassis import idempotency, inbox
from chassis.postgres import Connection

from inventory.resources import Resources

Reap = Callable[[Connection], Awaitable[int]]


async def reap(res: Resources) -> None:
    """Delete what is over, in small transactions."""
    settings, now = res.settings, datetime.now(UTC)
    limit = settings.reap_batch_max
    keys_before = now - timedelta(seconds=settings.idempotency_kept_s)
    ids_before = now - timedelta(seconds=settings.inbox_kept_s)
    steps: tuple[Reap, ...] = (
        lambda conn: idempotency.reap(conn, keys_before, limit=limit),
        lambda conn: inbox.reap(conn, ids_before, limit=limit),
    )
    for step in steps:
        deleted = limit
        while deleted >= limit:
            async with res.db.acquire() as conn:
                deleted = await step(conn)
