"""Rows of events."""

from collections.abc import Sequence

from chassis.postgres import Connection

from payments.domain.events import EventRow


async def insert(conn: Connection, rows: Sequence[EventRow]) -> None:
    """Any number in one round trip."""
    await conn.executemany(
        """
        INSERT INTO events (id, account_id, type, api_version, data, request_id, idempotency_key, traceparent,
                            created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        [
            (
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
            for row in rows
        ],
    )
