"""Rows of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection
from chassis.records import Record as Leaving

from payments.domain.events import EventRow


async def insert(conn: Connection, events: Sequence[tuple[EventRow, Leaving | None]]) -> None:
    """Any number in one round trip, each with its record for the relay if it leaves on Kafka."""
    await conn.executemany(
        """
        WITH event AS (
            INSERT INTO events (
                id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        )
        INSERT INTO outbox (topic, key, value, header_names, header_values)
        SELECT $10::text, $11::bytea, $12::bytea, $13::text[], $14::bytea[]
        WHERE $10 IS NOT NULL
        """,
        [(*_values(row), *_leaving(record)) for row, record in events],
    )


def _values(row: EventRow) -> tuple[object, ...]:
    return (
        row.id,
        row.account_id,
        row.type,
        row.api_version,
        row.data,
        row.request_id,
        row.idempotency_key,
        row.traceparent,
        row.created_at,
    )


def _leaving(record: Leaving | None) -> tuple[object, ...]:
    if record is None:
        return (None, None, None, None, None)
    names = [name for name, _ in record.headers]
    return record.topic, record.key, record.value, names, [value for _, value in record.headers]


def _event(row: Record) -> EventRow:
    return EventRow(**row)


async def fetch(conn: Connection, account_id: str, event_id: str) -> EventRow | None:
    row = await conn.fetchrow(
        """
        SELECT id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
        FROM events
        WHERE account_id = $1 AND id = $2
        """,
        account_id,
        event_id,
    )
    return None if row is None else _event(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a page is cut from; `delivered`: only those that reached everybody, or only the others."""

    account_id: str
    since: datetime
    until: datetime
    delivered: bool | None


async def page(conn: Connection, wanted: Wanted, below: str, limit: int) -> list[EventRow]:
    """Newest first, those older than `below`."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
        FROM events AS e
        WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
          AND ($5::boolean IS NULL OR $5 = (fanned_out_at IS NOT NULL AND NOT EXISTS (
              SELECT FROM webhook_deliveries AS d
              WHERE d.account_id = $1 AND d.event_id = e.id AND d.state IN ('pending', 'failed')
          )))
        ORDER BY id DESC
        LIMIT $6
        """,
        wanted.account_id,
        below,
        wanted.since,
        wanted.until,
        wanted.delivered,
        limit,
    )
    return [_event(row) for row in rows]


async def page_back(conn: Connection, wanted: Wanted, above: str, limit: int) -> list[EventRow]:
    """Oldest first, those newer than `above`."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
        FROM events AS e
        WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
          AND ($5::boolean IS NULL OR $5 = (fanned_out_at IS NOT NULL AND NOT EXISTS (
              SELECT FROM webhook_deliveries AS d
              WHERE d.account_id = $1 AND d.event_id = e.id AND d.state IN ('pending', 'failed')
          )))
        ORDER BY id
        LIMIT $6
        """,
        wanted.account_id,
        above,
        wanted.since,
        wanted.until,
        wanted.delivered,
        limit,
    )
    return [_event(row) for row in rows]


async def page_typed(
    conn: Connection, wanted: Wanted, types: Sequence[str], below: str, limit: int
) -> list[EventRow]:
    """The same of some types only: the newest of each by its index, then the newest of all."""
    rows = await conn.fetch(
        """
        SELECT found.*
        FROM unnest($6::text[]) AS wanted (type)
        CROSS JOIN LATERAL (
            SELECT id, account_id, type, api_version, data, request_id, idempotency_key, traceparent,
                   created_at
            FROM events AS e
            WHERE account_id = $1 AND type = wanted.type AND id < $2 AND created_at >= $3 AND created_at < $4
              AND ($5::boolean IS NULL OR $5 = (fanned_out_at IS NOT NULL AND NOT EXISTS (
                  SELECT FROM webhook_deliveries AS d
                  WHERE d.account_id = $1 AND d.event_id = e.id AND d.state IN ('pending', 'failed')
              )))
            ORDER BY id DESC
            LIMIT $7
        ) AS found
        ORDER BY id DESC
        LIMIT $7
        """,
        wanted.account_id,
        below,
        wanted.since,
        wanted.until,
        wanted.delivered,
        types,
        limit,
    )
    return [_event(row) for row in rows]


async def page_typed_back(
    conn: Connection, wanted: Wanted, types: Sequence[str], above: str, limit: int
) -> list[EventRow]:
    rows = await conn.fetch(
        """
        SELECT found.*
        FROM unnest($6::text[]) AS wanted (type)
        CROSS JOIN LATERAL (
            SELECT id, account_id, type, api_version, data, request_id, idempotency_key, traceparent,
                   created_at
            FROM events AS e
            WHERE account_id = $1 AND type = wanted.type AND id > $2 AND created_at >= $3 AND created_at < $4
              AND ($5::boolean IS NULL OR $5 = (fanned_out_at IS NOT NULL AND NOT EXISTS (
                  SELECT FROM webhook_deliveries AS d
                  WHERE d.account_id = $1 AND d.event_id = e.id AND d.state IN ('pending', 'failed')
              )))
            ORDER BY id
            LIMIT $7
        ) AS found
        ORDER BY id
        LIMIT $7
        """,
        wanted.account_id,
        above,
        wanted.since,
        wanted.until,
        wanted.delivered,
        types,
        limit,
    )
    return [_event(row) for row in rows]


async def reap(conn: Connection, before: datetime, limit: int) -> int:
    """Delete events that happened before `before`, and their deliveries with them; give how many."""
    deleted = await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM events AS e
            USING (
                SELECT account_id, id FROM events WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            ) AS old
            WHERE e.account_id = old.account_id AND e.id = old.id
            RETURNING true
        )
        SELECT count(*) FROM gone
        """,
        before,
        limit,
    )
    return int(deleted)
