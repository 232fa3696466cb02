"""Rows of webhook_deliveries and webhook_attempts as the API shows them, and the resend."""

from collections.abc import Sequence
from datetime import datetime

from chassis.postgres import Connection

from payments.domain.deliveries import Attempt, Delivery
from payments.domain.events import EventRow


async def resend(
    conn: Connection, endpoint_id: str, event: EventRow, now: datetime, give_up_at: datetime
) -> None:
    """Due at once with a schedule of its own, whatever became of it before."""
    await conn.execute(
        """
        INSERT INTO webhook_deliveries AS d (endpoint_id, event_id, account_id, next_attempt_at, give_up_at,
                                             created_at)
        VALUES ($1, $2, $3, $4, $5, $4)
        ON CONFLICT (endpoint_id, event_id) DO UPDATE
        SET state = 'pending', tries = 0, next_attempt_at = excluded.next_attempt_at,
            give_up_at = excluded.give_up_at, finished_at = NULL
        """,
        endpoint_id,
        event.id,
        event.account_id,
        now,
        give_up_at,
    )


async def pending(conn: Connection, account_id: str, event_ids: Sequence[str]) -> dict[str, int]:
    """How many webhooks of each event are to be delivered yet, also of one not fanned out so far.

    The state is a FILTER and no condition: that would invite the index of what is due, which costs hundreds
    of times as much.
    """
    rows = await conn.fetch(
        """
        SELECT e.id, CASE WHEN e.fanned_out_at IS NULL THEN (
            SELECT count(*)
            FROM webhook_endpoints AS w
            WHERE w.account_id = $1 AND w.deleted_at IS NULL AND w.status = 'enabled'
              AND w.created_at < e.created_at + interval '1 second'
              AND (e.type = ANY (w.enabled_events) OR '*' = ANY (w.enabled_events))
        ) ELSE (
            SELECT count(*) FILTER (WHERE d.state = 'pending' AND w.deleted_at IS NULL)
            FROM webhook_deliveries AS d
            JOIN webhook_endpoints AS w ON w.id = d.endpoint_id
            WHERE d.account_id = $1 AND d.event_id = e.id
        ) END AS pending
        FROM events AS e
        WHERE e.account_id = $1 AND e.id = ANY ($2::text[])
        """,
        account_id,
        event_ids,
    )
    return {row["id"]: row["pending"] for row in rows}


async def of_endpoint(conn: Connection, endpoint_id: str, below: str, limit: int) -> list[Delivery]:
    """Newest event first, those of events older than `below`."""
    rows = await conn.fetch(
        """
        SELECT endpoint_id, event_id, state, attempts, next_attempt_at, created_at, finished_at
        FROM webhook_deliveries
        WHERE endpoint_id = $1 AND event_id < $2
        ORDER BY event_id DESC
        LIMIT $3
        """,
        endpoint_id,
        below,
        limit,
    )
    return [Delivery(**row) for row in rows]


async def of_endpoint_back(conn: Connection, endpoint_id: str, above: str, limit: int) -> list[Delivery]:
    """Oldest event first, those of events newer than `above`."""
    rows = await conn.fetch(
        """
        SELECT endpoint_id, event_id, state, attempts, next_attempt_at, created_at, finished_at
        FROM webhook_deliveries
        WHERE endpoint_id = $1 AND event_id > $2
        ORDER BY event_id
        LIMIT $3
        """,
        endpoint_id,
        above,
        limit,
    )
    return [Delivery(**row) for row in rows]


async def of_event(conn: Connection, account_id: str, event_id: str, limit: int) -> list[Delivery]:
    rows = await conn.fetch(
        """
        SELECT endpoint_id, event_id, state, attempts, next_attempt_at, created_at, finished_at
        FROM webhook_deliveries
        WHERE account_id = $1 AND event_id = $2
        ORDER BY endpoint_id DESC
        LIMIT $3
        """,
        account_id,
        event_id,
        limit,
    )
    return [Delivery(**row) for row in rows]


async def log_of(
    conn: Connection, endpoint_ids: Sequence[str], event_ids: Sequence[str], limit: int
) -> dict[tuple[str, str], list[Attempt]]:
    """The last `limit` attempts of each delivery, oldest first, by (endpoint, event)."""
    rows = await conn.fetch(
        """
        SELECT endpoint_id, event_id, number, started_at, duration_ms, status, error, response
        FROM unnest($1::text[], $2::text[]) AS wanted (endpoint, event)
        CROSS JOIN LATERAL (
            SELECT endpoint_id, event_id, number, started_at, duration_ms, status, error, response
            FROM webhook_attempts AS a
            WHERE a.endpoint_id = wanted.endpoint AND a.event_id = wanted.event
            ORDER BY number DESC
            LIMIT $3
        ) AS attempts
        ORDER BY number
        """,
        endpoint_ids,
        event_ids,
        limit,
    )
    found: dict[tuple[str, str], list[Attempt]] = {}
    for row in rows:
        columns = dict(row)
        key = columns.pop("endpoint_id"), columns.pop("event_id")
        found.setdefault(key, []).append(Attempt(**columns))
    return found
