"""At-least-once in, exactly one effect: an event's id is kept in the transaction of its effect (ADR-0007)."""

from collections.abc import Sequence
from datetime import datetime

from chassis.postgres import Connection

REAP_BATCH_MAX = 10_000


async def first_time(conn: Connection, consumer: str, event_id: str) -> bool:
    """False: this consumer has applied the event before."""
    row = await conn.fetchrow(
        """
        INSERT INTO inbox (consumer, event_id)
        VALUES ($1, $2)
        ON CONFLICT DO NOTHING
        RETURNING true
        """,
        consumer,
        event_id,
    )
    return row is not None


async def first_times(conn: Connection, consumer: str, event_ids: Sequence[str]) -> set[str]:
    """The ids of the batch that are new; one that stands in the batch twice counts once."""
    rows = await conn.fetch(
        """
        INSERT INTO inbox (consumer, event_id)
        SELECT DISTINCT $1, event_id
        FROM unnest($2::text[]) AS batch (event_id)
        ORDER BY event_id
        ON CONFLICT DO NOTHING
        RETURNING event_id
        """,
        consumer,
        event_ids,
    )
    return {row["event_id"] for row in rows}


async def reap(conn: Connection, older_than: datetime, *, limit: int = REAP_BATCH_MAX) -> int:
    """Forget at most `limit` events seen before `older_than`, which lies beyond the topics' retention."""
    rows = await conn.fetch(
        """
        DELETE FROM inbox
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE seen_at < $1 LIMIT $2))
        RETURNING 1
        """,
        older_than,
        limit,
    )
    return len(rows)
