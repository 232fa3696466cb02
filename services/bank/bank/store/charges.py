"""Rows of the book: charges and refunds."""

from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from bank.domain.charges import Charge, Refund, Status


async def insert_with_key(
    conn: Connection, charge: Charge, *, scope: str, fingerprint: bytes, status: int, body: bytes
) -> bool:
    """Key, charge and answer in one statement; False when the key is taken, and nothing was written then.

    A statement that holds the same key is waited for, by the unique index.
    """
    row = await conn.fetchrow(
        """
        WITH key AS (
            INSERT INTO idempotency_keys (
                scope, key, fingerprint, state, locked_by, locked_until, response_status, response_headers,
                response_body, created_at
            )
            VALUES ($1, $2, $3, 'finished', '', $14, $4, '{}', $5, $14)
            ON CONFLICT DO NOTHING
            RETURNING key
        )
        INSERT INTO charges (
            id, idempotency_key, amount, captured, currency, status, decline_code, card, reference, created_at
        )
        SELECT $6, key.key, $7, $8, $9, $10, $11, $12, $13, $14
        FROM key
        RETURNING id
        """,
        scope,
        charge.idempotency_key,
        fingerprint,
        status,
        body,
        charge.id,
        charge.amount,
        charge.captured,
        charge.currency,
        charge.status,
        charge.decline_code,
        charge.card,
        charge.reference,
        charge.created_at,
    )
    return row is not None


async def answer_of_key(conn: Connection, scope: str, key: str) -> Record | None:
    """Fingerprint and answer of a key whose work is done."""
    return await conn.fetchrow(
        """
        SELECT fingerprint, response_status, response_body
        FROM idempotency_keys
        WHERE scope = $1 AND key = $2 AND state = 'finished'
        """,
        scope,
        key,
    )


async def get(conn: Connection, charge_id: str) -> Charge | None:
    row = await conn.fetchrow(
        """
        SELECT id, idempotency_key, amount, captured, refunded, currency, status, decline_code, card,
               reference, created_at
        FROM charges
        WHERE id = $1
        """,
        charge_id,
    )
    return _charge(row)


async def get_by_key(conn: Connection, key: str) -> Charge | None:
    row = await conn.fetchrow(
        """
        SELECT id, idempotency_key, amount, captured, refunded, currency, status, decline_code, card,
               reference, created_at
        FROM charges
        WHERE idempotency_key = $1
        """,
        key,
    )
    return _charge(row)


async def lock(conn: Connection, charge_id: str) -> Charge | None:
    row = await conn.fetchrow(
        """
        SELECT id, idempotency_key, amount, captured, refunded, currency, status, decline_code, card,
               reference, created_at
        FROM charges
        WHERE id = $1
        FOR UPDATE
        """,
        charge_id,
    )
    return _charge(row)


async def capture(conn: Connection, charge_id: str, amount: int) -> None:
    """The caller holds the row's lock and has checked its state."""
    await conn.execute(
        "UPDATE charges SET status = 'captured', captured = $2 WHERE id = $1 AND status = 'authorised'",
        charge_id,
        amount,
    )


async def void(conn: Connection, charge_id: str) -> None:
    """The caller holds the row's lock and has checked its state."""
    await conn.execute(
        "UPDATE charges SET status = 'voided' WHERE id = $1 AND status = 'authorised'", charge_id
    )


async def insert_refund(conn: Connection, refund: Refund) -> None:
    """The caller holds the charge's lock; a failed refund leaves the charge's sum as it was."""
    await conn.execute(
        """
        WITH moved AS (
            UPDATE charges SET refunded = refunded + $4 WHERE id = $2 AND $5 = 'succeeded'
        )
        INSERT INTO refunds (
            id, charge_id, idempotency_key, amount, status, failure_reason, reference, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        refund.id,
        refund.charge_id,
        refund.idempotency_key,
        refund.amount,
        refund.status,
        refund.failure_reason,
        refund.reference,
        refund.created_at,
    )


async def page(conn: Connection, after: str, limit: int) -> list[Charge]:
    """Oldest first; `after` is an id, empty for the beginning."""
    rows = await conn.fetch(
        """
        SELECT id, idempotency_key, amount, captured, refunded, currency, status, decline_code, card,
               reference, created_at
        FROM charges
        WHERE id > $1
        ORDER BY id
        LIMIT $2
        """,
        after,
        limit,
    )
    return [_read(row) for row in rows]


def _charge(row: Record | None) -> Charge | None:
    return None if row is None else _read(row)


def _read(row: Record) -> Charge:
    created_at: datetime = row["created_at"]
    return Charge(
        id=row["id"],
        idempotency_key=row["idempotency_key"],
        amount=row["amount"],
        captured=row["captured"],
        refunded=row["refunded"],
        currency=row["currency"],
        status=Status(row["status"]),
        decline_code=row["decline_code"],
        card=row["card"],
        reference=row["reference"],
        created_at=created_at,
    )
