"""Rows of payment intents, always of one account, except for the page whose secret names one."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.payment_intents import PaymentIntent, Status


async def insert(conn: Connection, row: PaymentIntent) -> None:
    await conn.execute(
        """
        INSERT INTO payment_intents (
            id, account_id, status, amount, currency, capture_method, confirmation_method, client_secret,
            created_at, details, metadata, customer, payment_method, setup_future_usage, amount_capturable,
            amount_received, latest_charge, last_payment_error, next_action, cancellation_reason,
            canceled_at, authenticated, authentication_token, version
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24)
        """,
        *_values(row),
    )


async def save(conn: Connection, row: PaymentIntent) -> int:
    """Write what may change of a row that is locked, and give its new version."""
    version: int = await conn.fetchval(
        """
        UPDATE payment_intents
        SET status = $2, amount = $3, currency = $4, capture_method = $5, details = $6, metadata = $7,
            customer = $8, payment_method = $9, setup_future_usage = $10, amount_capturable = $11,
            amount_received = $12, latest_charge = $13, last_payment_error = $14, next_action = $15,
            cancellation_reason = $16, canceled_at = $17, authenticated = $18, authentication_token = $19,
            version = version + 1
        WHERE id = $1
        RETURNING version
        """,
        row.id,
        row.status,
        row.amount,
        row.currency,
        row.capture_method,
        row.details,
        row.metadata,
        row.customer,
        row.payment_method,
        row.setup_future_usage,
        row.amount_capturable,
        row.amount_received,
        row.latest_charge,
        row.last_payment_error,
        row.next_action,
        row.cancellation_reason,
        row.canceled_at,
        row.authenticated,
        row.authentication_token,
    )
    return version


async def get(conn: Connection, account_id: str, intent_id: str) -> PaymentIntent | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND id = $2
            """,
            account_id,
            intent_id,
        )
    )


async def lock(conn: Connection, account_id: str, intent_id: str) -> PaymentIntent | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND id = $2
            FOR NO KEY UPDATE
            """,
            account_id,
            intent_id,
        )
    )


async def find_by_token(conn: Connection, token: str) -> PaymentIntent | None:
    """The intent whose authentication page this is."""
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE authentication_token = $1
            """,
            token,
        )
    )


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[PaymentIntent]:
    """Those of the ids that the account has."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, status, amount, currency, capture_method, confirmation_method, client_secret,
               created_at, details, metadata, customer, payment_method, setup_future_usage,
               amount_capturable, amount_received, latest_charge, last_payment_error, next_action,
               cancellation_reason, canceled_at, authenticated, authentication_token, version
        FROM payment_intents
        WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [_row(row) for row in rows]


async def exists(conn: Connection, account_id: str, intent_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM payment_intents WHERE account_id = $1 AND id = $2", account_id, intent_id
    )
    return found is not None


async def page(conn: Connection, account_id: str, page: Page) -> list[PaymentIntent]:
    """Newest first; the other way round when the page goes backwards."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND id > $2 AND created_at >= $3 AND created_at < $4
            ORDER BY id
            LIMIT $5
            """,
            account_id,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND id < $2 AND created_at >= $3 AND created_at < $4
            ORDER BY id DESC
            LIMIT $5
            """,
            account_id,
            page.below,
            page.since,
            page.until,
            page.fetch,
        )
    return [_row(row) for row in rows]


async def page_of_customer(
    conn: Connection, account_id: str, customer: str, page: Page
) -> list[PaymentIntent]:
    """As `page`."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND customer = $2 AND id > $3 AND created_at >= $4 AND created_at < $5
            ORDER BY id
            LIMIT $6
            """,
            account_id,
            customer,
            page.above,
            page.since,
            page.until,
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, amount, currency, capture_method, confirmation_method,
                   client_secret, created_at, details, metadata, customer, payment_method,
                   setup_future_usage, amount_capturable, amount_received, latest_charge,
                   last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                   authentication_token, version
            FROM payment_intents
            WHERE account_id = $1 AND customer = $2 AND id < $3 AND created_at >= $4 AND created_at < $5
            ORDER BY id DESC
            LIMIT $6
            """,
            account_id,
            customer,
            page.below,
            page.since,
            page.until,
            page.fetch,
        )
    return [_row(row) for row in rows]


def _values(row: PaymentIntent) -> tuple[object, ...]:
    return (
        row.id,
        row.account_id,
        row.status,
        row.amount,
        row.currency,
        row.capture_method,
        row.confirmation_method,
        row.client_secret,
        row.created_at,
        row.details,
        row.metadata,
        row.customer,
        row.payment_method,
        row.setup_future_usage,
        row.amount_capturable,
        row.amount_received,
        row.latest_charge,
        row.last_payment_error,
        row.next_action,
        row.cancellation_reason,
        row.canceled_at,
        row.authenticated,
        row.authentication_token,
        row.version,
    )


def _read(row: Record | None) -> PaymentIntent | None:
    return None if row is None else _row(row)


def _row(row: Record) -> PaymentIntent:
    # The columns stand in the order of the fields.
    intent_id, account_id, status, *rest = row
    return PaymentIntent(intent_id, account_id, Status(status), *rest)
