"""Rows of bank_operations: one a call to the bank, in one hand at a time."""

from datetime import datetime
from typing import Any

from asyncpg import Record
from chassis.postgres import Connection

from payments.domain.operations import Kind, Operation, State


async def insert(conn: Connection, op: Operation) -> bool:
    """False when another operation of the intent is open."""
    inserted = await conn.fetchval(
        """
        INSERT INTO bank_operations (
            id, account_id, kind, intent_id, refund_id, bank_charge_id, bank_key, amount, currency, context,
            due_at, scope, key, key_fencing, request_id, expand, traceparent,
            created_at, updated_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18)
        ON CONFLICT (intent_id) WHERE state <> 'done' AND kind <> 'refund' DO NOTHING
        RETURNING true
        """,
        op.id,
        op.account_id,
        op.kind,
        op.intent_id,
        op.refund_id,
        op.bank_charge_id,
        op.bank_key,
        op.amount,
        op.currency,
        op.context,
        op.due_at,
        op.scope,
        op.key,
        op.key_fencing,
        op.request_id,
        op.expand,
        op.traceparent,
        op.created_at,
    )
    return inserted is not None


async def close(
    conn: Connection, operation_id: str, fencing: int, *, outcome: dict[str, Any], at: datetime
) -> bool:
    """Lock and close it; False when the token is not the current one, or it is closed already."""
    closed = await conn.fetchval(
        """
        UPDATE bank_operations
        SET state = 'done', outcome = $3, updated_at = $4
        WHERE id = $1 AND fencing = $2 AND state <> 'done'
        RETURNING true
        """,
        operation_id,
        fencing,
        outcome,
        at,
    )
    return closed is not None


async def postpone(
    conn: Connection, operation_id: str, fencing: int, *, reason: str, due_at: datetime, at: datetime
) -> bool:
    """Its outcome is unknown, to be asked for again at `due_at`; False as for `close`."""
    postponed = await conn.fetchval(
        """
        UPDATE bank_operations
        SET state = 'unknown', outcome = jsonb_build_object('is', 'unknown', 'reason', $3::text),
            due_at = $4, updated_at = $5
        WHERE id = $1 AND fencing = $2 AND state <> 'done'
        RETURNING true
        """,
        operation_id,
        fencing,
        reason,
        due_at,
        at,
    )
    return postponed is not None


async def take_over_key(
    conn: Connection, scope: str, key: str, key_fencing: int, *, at: datetime, due_at: datetime
) -> Operation | None:
    """The abandoned operation of a client's key, under a new token; None while its owner has time left."""
    row = await conn.fetchrow(
        """
        UPDATE bank_operations
        SET fencing = fencing + 1, attempts = attempts + 1, key_fencing = $3, due_at = $5, updated_at = $4
        WHERE scope = $1 AND key = $2 AND state = 'calling' AND due_at <= $4
        RETURNING id, account_id, kind, intent_id, amount, currency, bank_key, due_at, created_at, context,
                  refund_id, bank_charge_id, state, fencing, attempts, scope, key, key_fencing, request_id,
                  expand, traceparent
        """,
        scope,
        key,
        key_fencing,
        at,
        due_at,
    )
    return None if row is None else _read(row)


async def take_due(conn: Connection, *, at: datetime, due_at: datetime, limit: int) -> list[Operation]:
    """Operations without an owner, longest due first, each under a new token until `due_at`."""
    rows = await conn.fetch(
        """
        WITH due AS (
            SELECT id
            FROM bank_operations
            WHERE state <> 'done' AND due_at <= $1
            ORDER BY due_at
            LIMIT $3
            FOR UPDATE SKIP LOCKED
        )
        UPDATE bank_operations AS o
        SET fencing = o.fencing + 1, attempts = o.attempts + 1, due_at = $2, updated_at = $1
        FROM due
        WHERE o.id = due.id
        RETURNING o.id, o.account_id, o.kind, o.intent_id, o.amount, o.currency, o.bank_key, o.due_at,
                  o.created_at, o.context, o.refund_id, o.bank_charge_id, o.state, o.fencing, o.attempts,
                  o.scope, o.key, o.key_fencing, o.request_id, o.expand, o.traceparent
        """,
        at,
        due_at,
        limit,
    )
    return [_read(row) for row in rows]


async def count_unknown(conn: Connection, at: datetime) -> list[Record]:
    """By kind, those whose outcome nobody knows, a dead owner's included: how many, and since when."""
    return await conn.fetch(
        """
        SELECT kind, count(*) AS operations, min(created_at) AS since
        FROM bank_operations
        WHERE state = 'unknown' OR (state = 'calling' AND due_at <= $1)
        GROUP BY kind
        """,
        at,
    )


def _read(row: Record) -> Operation:
    fields = dict(row)
    fields["kind"] = Kind(fields["kind"])
    fields["state"] = State(fields["state"])
    fields["expand"] = tuple(fields["expand"])
    return Operation(**fields)
