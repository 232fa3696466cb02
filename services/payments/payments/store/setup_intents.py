"""Rows of setup intents, always of one account but where a token stands for it."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection

from payments.domain.setup_intents import SetupIntent, Status


async def insert(conn: Connection, row: SetupIntent) -> None:
    await conn.execute(
        """
        INSERT INTO setup_intents (
            id, account_id, status, client_secret, customer_id, payment_method_id, usage, cancellation_reason,
            last_setup_error, next_action, authentication_token, details, metadata, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        row.id,
        row.account_id,
        row.status,
        row.client_secret,
        row.customer_id,
        row.payment_method_id,
        row.usage,
        row.cancellation_reason,
        row.last_setup_error,
        row.next_action,
        row.authentication_token,
        row.details,
        row.metadata,
        row.created_at,
    )


async def get(conn: Connection, account_id: str, setup_intent_id: str) -> SetupIntent | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND id = $2
            """,
            account_id,
            setup_intent_id,
        )
    )


async def lock(conn: Connection, account_id: str, setup_intent_id: str) -> SetupIntent | None:
    """For a change; before the rows of its customer and payment method."""
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND id = $2
            FOR UPDATE
            """,
            account_id,
            setup_intent_id,
        )
    )


async def find_by_token(conn: Connection, token: str) -> SetupIntent | None:
    """Whoever holds the secret address is let in; the row tells whose it is."""
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE authentication_token = $1
            """,
            token,
        )
    )


async def update(conn: Connection, row: SetupIntent) -> None:
    """Write what may change of a row that is locked."""
    await conn.execute(
        """
        UPDATE setup_intents
        SET status = $3, customer_id = $4, payment_method_id = $5, cancellation_reason = $6,
            last_setup_error = $7, next_action = $8, authentication_token = $9, details = $10, metadata = $11
        WHERE account_id = $1 AND id = $2
        """,
        row.account_id,
        row.id,
        row.status,
        row.customer_id,
        row.payment_method_id,
        row.cancellation_reason,
        row.last_setup_error,
        row.next_action,
        row.authentication_token,
        row.details,
        row.metadata,
    )


async def exists(conn: Connection, account_id: str, setup_intent_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM setup_intents WHERE account_id = $1 AND id = $2", account_id, setup_intent_id
    )
    return found is not None


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[SetupIntent]:
    """Those of the ids that the account has."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
               cancellation_reason, last_setup_error, next_action, authentication_token, details, metadata,
               created_at
        FROM setup_intents
        WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [row_of(row) for row in rows]


def _read(row: Record | None) -> SetupIntent | None:
    return None if row is None else row_of(row)


def row_of(row: Record) -> SetupIntent:
    """The columns stand in the order of the fields."""
    intent_id, account_id, status, *rest = row
    return SetupIntent(intent_id, account_id, Status(status), *rest)
