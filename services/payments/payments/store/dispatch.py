"""The queue of webhooks: events to fan out, deliveries that are due, and who is at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record
from chassis.postgres import Connection

from payments.domain.deliveries import Attempt
from payments.domain.events import EventRow


@dataclass(frozen=True, slots=True)
class Due:
    """An endpoint with deliveries to make; one that was disabled or deleted gets none."""

    endpoint_id: str
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that is ours until its lease ends; `number` is the attempt's and fences its outcome."""

    endpoint_id: str
    url: str
    secrets: tuple[str, ...]
    number: int
    tries: int
    give_up_at: datetime
    event: EventRow
    webhooks: int


async def fan_out(conn: Connection, now: datetime, keep_trying: timedelta, limit: int) -> tuple[int, int]:
    """Make the deliveries of the oldest new events; give how many events and deliveries.

    All in one statement: an event is marked with its deliveries, or neither is. Workers take different
    events. An event of the second in which an endpoint was made may come to it; older ones do not.
    """
    row = await conn.fetchrow(
        """
        WITH fresh AS MATERIALIZED (
            SELECT account_id, id, type, created_at
            FROM events
            WHERE fanned_out_at IS NULL
            ORDER BY id
            LIMIT $3
            FOR UPDATE SKIP LOCKED
        ), made AS (
            INSERT INTO webhook_deliveries (endpoint_id, event_id, account_id, next_attempt_at, give_up_at,
                                            created_at)
            SELECT w.id, fresh.id, fresh.account_id, $1, $1::timestamptz + $2::interval, $1
            FROM fresh
            JOIN webhook_endpoints AS w ON w.account_id = fresh.account_id
            WHERE w.deleted_at IS NULL AND w.status = 'enabled'
              AND w.created_at < fresh.created_at + interval '1 second'
              AND (fresh.type = ANY (w.enabled_events) OR '*' = ANY (w.enabled_events))
            ON CONFLICT DO NOTHING
            RETURNING account_id, event_id
        ), counted AS (
            SELECT account_id, event_id, count(*) AS webhooks FROM made GROUP BY account_id, event_id
        ), marked AS (
            UPDATE events AS e
            SET fanned_out_at = $1, webhooks = coalesce(counted.webhooks, 0)
            FROM fresh
            LEFT JOIN counted ON counted.account_id = fresh.account_id AND counted.event_id = fresh.id
            WHERE e.account_id = fresh.account_id AND e.id = fresh.id
            RETURNING true
        )
        SELECT (SELECT count(*) FROM marked) AS events, (SELECT count(*) FROM made) AS deliveries
        """,
        now,
        keep_trying,
        limit,
    )
    assert row is not None  # noqa: S101 - a SELECT without FROM
    return row["events"], row["deliveries"]


async def due(conn: Connection, now: datetime, after: str, limit: int) -> list[Due]:
    """Endpoints with a delivery that is due, in the order of their ids from `after` on.

    It skips from endpoint to endpoint in the index: a backlog of a million costs as much as one of ten.
    """
    rows = await conn.fetch(
        """
        WITH RECURSIVE heads AS (
            (
                SELECT endpoint_id, next_attempt_at
                FROM webhook_deliveries
                WHERE state = 'pending' AND endpoint_id > $2
                ORDER BY endpoint_id, next_attempt_at
                LIMIT 1
            )
            UNION ALL
            SELECT next.endpoint_id, next.next_attempt_at
            FROM heads
            CROSS JOIN LATERAL (
                SELECT d.endpoint_id, d.next_attempt_at
                FROM webhook_deliveries AS d
                WHERE d.state = 'pending' AND d.endpoint_id > heads.endpoint_id
                ORDER BY d.endpoint_id, d.next_attempt_at
                LIMIT 1
            ) AS next
        ), due AS (
            SELECT endpoint_id FROM heads WHERE next_attempt_at <= $1 LIMIT $3
        )
        SELECT due.endpoint_id, w.status = 'enabled' AND w.deleted_at IS NULL AS live
        FROM due
        JOIN webhook_endpoints AS w ON w.id = due.endpoint_id
        ORDER BY due.endpoint_id
        """,
        now,
        after,
        limit,
    )
    return [Due(row["endpoint_id"], row["live"]) for row in rows]


async def claim(
    conn: Connection, endpoint_ids: Sequence[str], free: Sequence[int], now: datetime, lease: timedelta
) -> list[Claim]:
    """Take up to `free` due deliveries of each endpoint; one that is not settled is due again at its end."""
    rows = await conn.fetch(
        """
        WITH due AS MATERIALIZED (
            SELECT picked.endpoint_id, picked.event_id
            FROM unnest($1::text[], $2::integer[]) AS wanted (endpoint_id, free)
            CROSS JOIN LATERAL (
                SELECT d.endpoint_id, d.event_id
                FROM webhook_deliveries AS d
                WHERE d.state = 'pending' AND d.endpoint_id = wanted.endpoint_id AND d.next_attempt_at <= $3
                ORDER BY d.next_attempt_at
                LIMIT wanted.free
                FOR UPDATE SKIP LOCKED
            ) AS picked
        ), claimed AS (
            UPDATE webhook_deliveries AS d
            SET attempts = d.attempts + 1, tries = d.tries + 1,
                next_attempt_at = $3::timestamptz + $4::interval
            FROM due
            WHERE d.endpoint_id = due.endpoint_id AND d.event_id = due.event_id
            RETURNING d.endpoint_id, d.event_id, d.account_id, d.attempts, d.tries, d.give_up_at
        )
        SELECT claimed.endpoint_id, claimed.attempts AS number, claimed.tries, claimed.give_up_at,
               w.url, w.secret, w.old_secret, w.old_secret_until,
               e.id, e.account_id, e.type, e.api_version, e.data, e.request_id, e.idempotency_key,
               e.traceparent, e.created_at, e.webhooks
        FROM claimed
        JOIN webhook_endpoints AS w ON w.id = claimed.endpoint_id
        JOIN events AS e ON e.account_id = claimed.account_id AND e.id = claimed.event_id
        """,
        endpoint_ids,
        free,
        now,
        lease,
    )
    return [_claim(row, now) for row in rows]


def _claim(row: Record, now: datetime) -> Claim:
    until = row["old_secret_until"]
    overlapping = (row["old_secret"],) if until is not None and until > now else ()
    return Claim(
        endpoint_id=row["endpoint_id"],
        url=row["url"],
        secrets=(row["secret"], *overlapping),
        number=row["number"],
        tries=row["tries"],
        give_up_at=row["give_up_at"],
        event=EventRow(
            id=row["id"],
            account_id=row["account_id"],
            type=row["type"],
            api_version=row["api_version"],
            data=row["data"],
            request_id=row["request_id"],
            idempotency_key=row["idempotency_key"],
            traceparent=row["traceparent"],
            created_at=row["created_at"],
        ),
        webhooks=row["webhooks"],
    )


async def settle(
    conn: Connection,
    claim: Claim,
    attempt: Attempt,
    state: str,
    next_attempt_at: datetime | None,
    at: datetime,
) -> bool:
    """Log the attempt and move its delivery; false when a later attempt, or the end, came first.

    What was delivered stays delivered, whoever sent it: success needs no lease.
    """
    row = await conn.fetchrow(
        """
        WITH logged AS (
            INSERT INTO webhook_attempts (endpoint_id, event_id, number, started_at, duration_ms, status,
                                          error, response)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT DO NOTHING
        )
        UPDATE webhook_deliveries
        SET state = $9, next_attempt_at = coalesce($10, next_attempt_at),
            finished_at = CASE WHEN $9 = 'pending' THEN NULL ELSE $11::timestamptz END
        WHERE endpoint_id = $1 AND event_id = $2 AND state = 'pending' AND (attempts = $3 OR $9 = 'delivered')
        RETURNING true AS moved
        """,
        claim.endpoint_id,
        claim.event.id,
        attempt.number,
        attempt.started_at,
        attempt.duration_ms,
        attempt.status,
        attempt.error,
        attempt.response,
        state,
        next_attempt_at,
        at,
    )
    return row is not None


async def drop(conn: Connection, endpoint_ids: Sequence[str], now: datetime, limit: int) -> int:
    """End due deliveries to endpoints that are disabled or deleted."""
    dropped = await conn.fetchval(
        """
        WITH due AS (
            SELECT d.endpoint_id, d.event_id
            FROM webhook_deliveries AS d
            JOIN webhook_endpoints AS w ON w.id = d.endpoint_id
            WHERE d.state = 'pending' AND d.endpoint_id = ANY ($1::text[]) AND d.next_attempt_at <= $2
              AND (w.status = 'disabled' OR w.deleted_at IS NOT NULL)
            LIMIT $3
            FOR UPDATE OF d SKIP LOCKED
        ), dropped AS (
            UPDATE webhook_deliveries AS d
            SET state = 'dropped', finished_at = $2
            FROM due
            WHERE d.endpoint_id = due.endpoint_id AND d.event_id = due.event_id
            RETURNING true
        )
        SELECT count(*) FROM dropped
        """,
        endpoint_ids,
        now,
        limit,
    )
    return int(dropped)


async def backlog(conn: Connection, count_max: int) -> tuple[int, datetime | None]:
    """How many deliveries are pending, counted up to `count_max`, and when the one most overdue was due."""
    row = await conn.fetchrow(
        """
        WITH RECURSIVE heads AS (
            (
                SELECT endpoint_id, next_attempt_at
                FROM webhook_deliveries
                WHERE state = 'pending'
                ORDER BY endpoint_id, next_attempt_at
                LIMIT 1
            )
            UNION ALL
            SELECT next.endpoint_id, next.next_attempt_at
            FROM heads
            CROSS JOIN LATERAL (
                SELECT d.endpoint_id, d.next_attempt_at
                FROM webhook_deliveries AS d
                WHERE d.state = 'pending' AND d.endpoint_id > heads.endpoint_id
                ORDER BY d.endpoint_id, d.next_attempt_at
                LIMIT 1
            ) AS next
        )
        SELECT (
                   SELECT count(*)
                   FROM (SELECT FROM webhook_deliveries WHERE state = 'pending' LIMIT $1) AS counted
               ) AS pending,
               least(
                   (SELECT min(next_attempt_at) FROM heads),
                   (SELECT created_at FROM events WHERE fanned_out_at IS NULL ORDER BY id LIMIT 1)
               ) AS oldest
        """,
        count_max,
    )
    assert row is not None  # noqa: S101
    return row["pending"], row["oldest"]
