"""Rows of customers, always of one account."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from payments.dialect.calls import Kept
from payments.domain.customers import Customer
from payments.domain.events import EventRow


async def create(conn: Connection, kept: Kept, row: Customer, event: EventRow) -> Record | None:
    """Key, customer, event and stored answer in one statement; see `once.in_statement`."""
    return await conn.fetchrow(
        """
        WITH known AS (
            SELECT fingerprint, state, response_status, response_headers, response_body
            FROM idempotency_keys
            WHERE scope = $1 AND key = $2
        ), claimed AS (
            INSERT INTO idempotency_keys (
                scope, key, fingerprint, state, locked_by, locked_until,
                response_status, response_headers, response_body, created_at
            )
            SELECT $1, $2, $3, 'finished', '', $4, $5, $6, $7, $4
            WHERE $2::text IS NOT NULL AND NOT EXISTS (SELECT FROM known)
            ON CONFLICT DO NOTHING
            RETURNING true
        ), created AS (
            INSERT INTO customers (id, account_id, email, profile, metadata, created_at)
            SELECT $8, $9, $10, $11, $12, $4
            WHERE $2::text IS NULL OR EXISTS (SELECT FROM claimed)
            RETURNING true
        ), event AS (
            INSERT INTO events (
                id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
            )
            SELECT $13, $9, $14, $15, $16, $17, $2, $18, $4
            FROM created
        )
        SELECT EXISTS (SELECT FROM created) AS created, known.fingerprint, known.state,
               known.response_status, known.response_headers, known.response_body
        FROM (SELECT) AS one LEFT JOIN known ON true
        """,
        kept.scope,
        kept.key,
        kept.fingerprint,
        kept.at,
        kept.status,
        kept.headers,
        kept.body,
        row.id,
        row.account_id,
        row.email,
        row.profile,
        row.metadata,
        event.id,
        event.type,
        event.api_version,
        event.data,
        event.request_id,
        event.traceparent,
    )


async def insert(conn: Connection, row: Customer) -> None:
    """For a create that does more than this; the plain one is `create`."""
    await conn.execute(
        """
        INSERT INTO customers (id, account_id, email, default_payment_method, profile, metadata, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        row.id,
        row.account_id,
        row.email,
        row.default_payment_method,
        row.profile,
        row.metadata,
        row.created_at,
    )


async def get(conn: Connection, account_id: str, customer_id: str) -> Customer | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
            FROM customers
            WHERE account_id = $1 AND id = $2
            """,
            account_id,
            customer_id,
        )
    )


async def lock(conn: Connection, account_id: str, customer_id: str) -> Customer | None:
    """For a change; before the rows of its payment methods."""
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
            FROM customers
            WHERE account_id = $1 AND id = $2
            FOR UPDATE
            """,
            account_id,
            customer_id,
        )
    )


async def hold(conn: Connection, account_id: str, customer_id: str) -> bool:
    """Keep the customer from being deleted until the transaction ends; false when there is none."""
    held = await conn.fetchval(
        "SELECT true FROM customers WHERE account_id = $1 AND id = $2 FOR KEY SHARE", account_id, customer_id
    )
    return held is not None


async def exists(conn: Connection, account_id: str, customer_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM customers WHERE account_id = $1 AND id = $2", account_id, customer_id
    )
    return found is not None


async def update(conn: Connection, row: Customer) -> None:
    """Write what may change of a row that is locked."""
    await conn.execute(
        """
        UPDATE customers
        SET email = $3, default_payment_method = $4, profile = $5, metadata = $6
        WHERE account_id = $1 AND id = $2
        """,
        row.account_id,
        row.id,
        row.email,
        row.default_payment_method,
        row.profile,
        row.metadata,
    )


async def delete(conn: Connection, account_id: str, customer_id: str, at: datetime) -> None:
    """Leave only the id of a row that is locked."""
    await conn.execute(
        """
        WITH gone AS (
            DELETE FROM customers WHERE account_id = $1 AND id = $2 RETURNING id, account_id
        )
        INSERT INTO deleted_customers (id, account_id, deleted_at)
        SELECT id, account_id, $3 FROM gone
        """,
        account_id,
        customer_id,
        at,
    )


async def is_deleted(conn: Connection, account_id: str, customer_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM deleted_customers WHERE account_id = $1 AND id = $2", account_id, customer_id
    )
    return found is not None


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[Customer]:
    """Those of the ids that the account has; deleted ones are in `fetch_deleted`."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
        FROM customers
        WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [Customer(*row) for row in rows]


async def fetch_deleted(conn: Connection, account_id: str, ids: Sequence[str]) -> list[str]:
    """Those of the ids that the account had."""
    rows = await conn.fetch(
        "SELECT id FROM deleted_customers WHERE account_id = $1 AND id = ANY($2::text[])", account_id, ids
    )
    return [row["id"] for row in rows]


def _read(row: Record | None) -> Customer | None:
    # The columns stand in the order of the fields.
    return None if row is None else Customer(*row)
