"""Statements of the reconcile check."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection


async def allow(conn: Connection, timeout_s: float) -> None:
    """Of a statement in this transaction: the check reads whole tables."""
    await conn.execute("SELECT set_config('statement_timeout', $1, true)", str(int(timeout_s * 1000)))


async def orders_without_one_state(conn: Connection, examples: int, timeout_s: float) -> Record | None:
    """Orders whose status, saga and timeline do not say the same: `checked`, `wrong`, `examples`."""
    return await conn.fetchrow(
        """
        WITH told AS (
            SELECT order_id, count(*) AS entries, max(version) AS version,
                   count(*) FILTER (WHERE status IN ('completed', 'rejected', 'cancelled')) AS ends,
                   (array_agg(status ORDER BY version DESC))[1] AS last
            FROM order_timeline GROUP BY order_id
        ), compared AS (
            SELECT o.id,
                   (o.status = 'pending') = (s.state <> 'done')
                   AND t.entries = o.version AND t.version = o.version AND t.last = o.step
                   AND t.ends = CASE WHEN o.status = 'pending' THEN 0 ELSE 1 END
                   AND (o.status = 'pending' OR o.step = o.status)
                   AND (o.cancel_requested_at IS NULL OR o.status IN ('pending', 'cancelled')) AS ok
            FROM orders AS o
            LEFT JOIN sagas AS s ON s.order_id = o.id
            LEFT JOIN told AS t ON t.order_id = o.id
        )
        SELECT count(*) AS checked, count(*) FILTER (WHERE ok IS NOT TRUE) AS wrong,
               (array_agg(id) FILTER (WHERE ok IS NOT TRUE))[1:$1] AS examples
        FROM compared
        """,
        examples,
        timeout=timeout_s,
    )


async def sagas_left_alone(conn: Connection, examples: int, due_before: datetime) -> Record | None:
    """Live sagas that nobody takes up, or that wait for people."""
    return await conn.fetchrow(
        """
        SELECT count(*) AS checked, count(*) FILTER (WHERE due_at IS NULL OR due_at < $2) AS wrong,
               (array_agg(order_id || ' ' || state) FILTER (WHERE due_at IS NULL OR due_at < $2))[1:$1]
                   AS examples
        FROM sagas
        WHERE state <> 'done'
        """,
        examples,
        due_before,
    )


async def outbox(conn: Connection) -> Record | None:
    """How many events wait for Kafka, and since when."""
    return await conn.fetchrow("SELECT count(*) AS waiting, min(created_at) AS since FROM outbox")


async def inbox(conn: Connection) -> Record | None:
    """How many consumed messages wait for another try, and since when."""
    return await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM parked_messages) AS waiting,
               (SELECT min(parked_at) FROM parked_keys) AS since
        """
    )


async def owed(conn: Connection, order_ids: Sequence[str]) -> list[Record]:
    return await conn.fetch(
        """
        SELECT o.id AS order_id, o.status, o.amount, o.currency, s.payment_intent_id AS intent_id
        FROM orders AS o
        JOIN sagas AS s ON s.order_id = o.id
        WHERE o.id = ANY($1::text[])
        """,
        order_ids,
    )


async def completed(conn: Connection, *, after: str, until: datetime, limit: int) -> list[Record]:
    """Orders above that id that had completed by then, with the intents that paid for them."""
    return await conn.fetch(
        """
        SELECT o.id AS order_id, s.payment_intent_id AS intent_id
        FROM orders AS o
        JOIN sagas AS s ON s.order_id = o.id
        WHERE o.id > $1 AND o.status = 'completed' AND o.finished_at <= $2
        ORDER BY o.id
        LIMIT $3
        """,
        after,
        until,
        limit,
    )


async def finished(
    conn: Connection, *, after: str, last: str | None, until: datetime, limit: int
) -> list[Record]:
    """Orders above `after`, up to `last`, that had ended by then."""
    return await conn.fetch(
        """
        SELECT id, status
        FROM orders
        WHERE id > $1 AND ($2::text IS NULL OR id <= $2) AND finished_at <= $3
        ORDER BY id
        LIMIT $4
        """,
        after,
        last,
        until,
        limit,
    )
