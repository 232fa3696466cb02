"""Rows of `sagas`: changed under the lock of their order's row, claimed by executors without it."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from orders.domain.saga import Reason, Saga, State


async def insert(conn: Connection, saga: Saga) -> None:
    """In the transaction that places the order."""
    await conn.execute(
        """
        INSERT INTO sagas (order_id, tenant_id, state, version, attempts, fencing, entered_at, due_at,
                           give_up_at, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        """,
        saga.order_id,
        saga.tenant_id,
        saga.state,
        saga.version,
        saga.attempts,
        saga.fencing,
        saga.entered_at,
        saga.due_at,
        saga.give_up_at,
        saga.created_at,
    )


async def lock(conn: Connection, order_ids: Sequence[str]) -> dict[str, Saga]:
    """For a change, after their orders were locked; in the order of ids."""
    rows = await conn.fetch(
        """
        SELECT order_id, tenant_id, state, version, attempts, polling, round, fencing, payment_intent_id,
               refund_id, reason, cancelling, entered_at, due_at, give_up_at, stuck_since, last_error,
               created_at
        FROM sagas
        WHERE order_id = ANY($1::text[])
        ORDER BY order_id
        FOR UPDATE
        """,
        order_ids,
    )
    return {row["order_id"]: read(row) for row in rows}


async def save(conn: Connection, sagas: Sequence[Saga], at: datetime) -> None:
    """Write what moves of locked sagas."""
    await conn.execute(
        """
        UPDATE sagas
        SET state = moved.state, version = moved.version, attempts = moved.attempts, polling = moved.polling,
            round = moved.round, fencing = moved.fencing, payment_intent_id = moved.payment_intent_id,
            refund_id = moved.refund_id, reason = moved.reason, cancelling = moved.cancelling,
            entered_at = moved.entered_at, due_at = moved.due_at, stuck_since = moved.stuck_since,
            last_error = moved.last_error, updated_at = $15
        FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::boolean[], $6::integer[],
                    $7::bigint[], $8::text[], $9::text[], $10::text[], $11::boolean[], $12::timestamptz[],
                    $13::timestamptz[], $14::timestamptz[], $16::text[])
            AS moved (order_id, state, version, attempts, polling, round, fencing, payment_intent_id,
                      refund_id, reason, cancelling, entered_at, due_at, stuck_since, last_error)
        WHERE sagas.order_id = moved.order_id
        """,
        [saga.order_id for saga in sagas],
        [saga.state for saga in sagas],
        [saga.version for saga in sagas],
        [saga.attempts for saga in sagas],
        [saga.polling for saga in sagas],
        [saga.round for saga in sagas],
        [saga.fencing for saga in sagas],
        [saga.payment_intent_id for saga in sagas],
        [saga.refund_id for saga in sagas],
        [saga.reason for saga in sagas],
        [saga.cancelling for saga in sagas],
        [saga.entered_at for saga in sagas],
        [saga.due_at for saga in sagas],
        [saga.stuck_since for saga in sagas],
        at,
        [saga.last_error for saga in sagas],
    )


async def claim_due(conn: Connection, *, at: datetime, due_at: datetime, limit: int) -> list[Record]:
    """Money steps without an owner, longest due first, each under a new token until `due_at`.

    With what a call needs to know of the order.
    """
    return await conn.fetch(
        """
        WITH due AS (
            SELECT order_id
            FROM sagas
            WHERE state IN ('authorising', 'capturing', 'voiding', 'refunding') AND due_at <= $1
            ORDER BY due_at
            LIMIT $3
            FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE sagas AS s
            SET fencing = s.fencing + 1, attempts = s.attempts + 1, due_at = $2, updated_at = $1
            FROM due
            WHERE s.order_id = due.order_id
            RETURNING s.order_id, s.tenant_id, s.state, s.attempts, s.polling, s.round, s.fencing,
                      s.payment_intent_id, s.refund_id
        )
        SELECT c.order_id, c.tenant_id, c.state, c.attempts, c.polling, c.round, c.fencing,
               c.payment_intent_id, c.refund_id, o.amount, o.currency, o.payment_method, o.traceparent
        FROM claimed AS c
        JOIN orders AS o ON o.id = c.order_id
        """,
        at,
        due_at,
        limit,
    )


async def overdue(conn: Connection, *, at: datetime, limit: int) -> list[str]:
    """Orders whose command has waited too long for its answer, longest first."""
    rows = await conn.fetch(
        """
        SELECT order_id
        FROM sagas
        WHERE state IN ('reserving', 'confirming', 'releasing') AND due_at <= $1
        ORDER BY due_at
        LIMIT $2
        """,
        at,
        limit,
    )
    return [row["order_id"] for row in rows]


async def waited_out(conn: Connection, *, at: datetime, limit: int) -> list[str]:
    """Orders that have waited too long for their payment, longest first."""
    rows = await conn.fetch(
        """
        SELECT order_id
        FROM sagas
        WHERE state = 'authorising' AND reason IS NULL AND NOT cancelling AND give_up_at <= $1
        ORDER BY give_up_at
        LIMIT $2
        """,
        at,
        limit,
    )
    return [row["order_id"] for row in rows]


async def awaited_intents(conn: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """The payment intents of those of the orders whose sagas wait for payments."""
    rows = await conn.fetch(
        """
        SELECT order_id, payment_intent_id
        FROM sagas
        WHERE order_id = ANY($1::text[]) AND payment_intent_id IS NOT NULL
          AND state IN ('authorising', 'capturing', 'voiding', 'refunding')
        """,
        order_ids,
    )
    return {row["order_id"]: row["payment_intent_id"] for row in rows}


async def count_live(conn: Connection, *, stuck_before: datetime) -> list[Record]:
    """By state: how many, since when the oldest is in it, and how many are stuck."""
    return await conn.fetch(
        """
        SELECT state, count(*) AS sagas, min(entered_at) AS since,
               count(*) FILTER (WHERE stuck_since IS NOT NULL OR entered_at < $1) AS stuck
        FROM sagas
        WHERE state <> 'done'
        GROUP BY state
        """,
        stuck_before,
    )


async def page_live(
    conn: Connection, *, after: str, limit: int, stuck_before: datetime | None
) -> list[Record]:
    """Live sagas by id, or only the stuck ones: those that wait for people, or sit in a state for long."""
    return await conn.fetch(
        """
        SELECT order_id, tenant_id, state, version, attempts, payment_intent_id, refund_id, reason,
               cancelling, entered_at, due_at, give_up_at, stuck_since, last_error, created_at, updated_at
        FROM sagas
        WHERE state <> 'done' AND order_id > $1
          AND ($3::timestamptz IS NULL OR stuck_since IS NOT NULL OR entered_at < $3)
        ORDER BY order_id
        LIMIT $2
        """,
        after,
        limit,
        stuck_before,
    )


async def show(conn: Connection, order_id: str) -> Record | None:
    """For operators, as a row of `page_live`."""
    return await conn.fetchrow(
        """
        SELECT order_id, tenant_id, state, version, attempts, payment_intent_id, refund_id, reason,
               cancelling, entered_at, due_at, give_up_at, stuck_since, last_error, created_at, updated_at
        FROM sagas
        WHERE order_id = $1
        """,
        order_id,
    )


def read(row: Record) -> Saga:
    fields = dict(row)
    fields["state"] = State(fields["state"])
    fields["reason"] = None if fields["reason"] is None else Reason(fields["reason"])
    return Saga(**fields)
