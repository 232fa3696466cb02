"""Rows of payment methods, always of one account."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.payment_methods import PaymentMethod


async def insert(conn: Connection, row: PaymentMethod) -> None:
    await conn.execute(
        """
        INSERT INTO payment_methods (
            id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
            allow_redisplay, billing_details, metadata, created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        row.id,
        row.account_id,
        row.customer_id,
        row.card_name,
        row.exp_month,
        row.exp_year,
        row.has_cvc,
        row.checked,
        row.set_up,
        row.spent,
        row.allow_redisplay,
        row.billing_details,
        row.metadata,
        row.created_at,
    )


async def get(conn: Connection, account_id: str, payment_method_id: str) -> PaymentMethod | None:
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND id = $2
            """,
            account_id,
            payment_method_id,
        )
    )


async def lock(conn: Connection, account_id: str, payment_method_id: str) -> PaymentMethod | None:
    """For a change; where the customer's row is locked too, that one comes first."""
    return _read(
        await conn.fetchrow(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND id = $2
            FOR UPDATE
            """,
            account_id,
            payment_method_id,
        )
    )


async def lock_of_customer(conn: Connection, account_id: str, customer_id: str) -> list[PaymentMethod]:
    """Every card of the customer, in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
               allow_redisplay, billing_details, metadata, created_at
        FROM payment_methods
        WHERE account_id = $1 AND customer_id = $2
        ORDER BY id
        FOR UPDATE
        """,
        account_id,
        customer_id,
    )
    return [_row(row) for row in rows]


async def update(conn: Connection, row: PaymentMethod) -> None:
    """Write what may change of a row that is locked."""
    await conn.execute(
        """
        UPDATE payment_methods
        SET customer_id = $3, exp_month = $4, exp_year = $5, checked = $6, set_up = $7, spent = $8,
            allow_redisplay = $9, billing_details = $10, metadata = $11
        WHERE account_id = $1 AND id = $2
        """,
        row.account_id,
        row.id,
        row.customer_id,
        row.exp_month,
        row.exp_year,
        row.checked,
        row.set_up,
        row.spent,
        row.allow_redisplay,
        row.billing_details,
        row.metadata,
    )


async def exists(conn: Connection, account_id: str, payment_method_id: str) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM payment_methods WHERE account_id = $1 AND id = $2", account_id, payment_method_id
    )
    return found is not None


async def page(
    conn: Connection, account_id: str, allow_redisplay: str | None, page: Page
) -> list[PaymentMethod]:
    """Newest first; the other way round when the page goes backwards. `allow_redisplay` narrows it."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND id > $2 AND ($4::text IS NULL OR allow_redisplay = $4)
            ORDER BY id
            LIMIT $3
            """,
            account_id,
            page.above,
            page.fetch,
            allow_redisplay,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND id < $2 AND ($4::text IS NULL OR allow_redisplay = $4)
            ORDER BY id DESC
            LIMIT $3
            """,
            account_id,
            page.below,
            page.fetch,
            allow_redisplay,
        )
    return [_row(row) for row in rows]


async def page_of_customer(
    conn: Connection, account_id: str, customer_id: str, allow_redisplay: str | None, page: Page
) -> list[PaymentMethod]:
    """Newest first; the other way round when the page goes backwards. `allow_redisplay` narrows it."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND customer_id = $2 AND id > $3
              AND ($5::text IS NULL OR allow_redisplay = $5)
            ORDER BY id
            LIMIT $4
            """,
            account_id,
            customer_id,
            page.above,
            page.fetch,
            allow_redisplay,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
                   allow_redisplay, billing_details, metadata, created_at
            FROM payment_methods
            WHERE account_id = $1 AND customer_id = $2 AND id < $3
              AND ($5::text IS NULL OR allow_redisplay = $5)
            ORDER BY id DESC
            LIMIT $4
            """,
            account_id,
            customer_id,
            page.below,
            page.fetch,
            allow_redisplay,
        )
    return [_row(row) for row in rows]


async def fetch_many(conn: Connection, account_id: str, ids: Sequence[str]) -> list[PaymentMethod]:
    """Those of the ids that the account has."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up, spent,
               allow_redisplay, billing_details, metadata, created_at
        FROM payment_methods
        WHERE account_id = $1 AND id = ANY($2::text[])
        """,
        account_id,
        ids,
    )
    return [_row(row) for row in rows]


def _read(row: Record | None) -> PaymentMethod | None:
    return None if row is None else _row(row)


def _row(row: Record) -> PaymentMethod:
    # The columns stand in the order of the fields.
    return PaymentMethod(*row)
