"""Pages of setup intents: of the account, of a customer, of a payment method.

An id tells when its intent was made, so that bounds of time are bounds of the walk too.
"""

from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.ids import first_id
from payments.domain.setup_intents import PREFIX, SetupIntent
from payments.store.setup_intents import row_of


async def page(conn: Connection, account_id: str, page: Page) -> list[SetupIntent]:
    """Newest first; the other way round when the page goes backwards."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND id > $2 AND id >= $3 AND id < $4
            ORDER BY id
            LIMIT $5
            """,
            account_id,
            page.above,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND id < $2 AND id >= $3 AND id < $4
            ORDER BY id DESC
            LIMIT $5
            """,
            account_id,
            page.below,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
        )
    return [row_of(row) for row in rows]


async def page_of_customer(
    conn: Connection, account_id: str, customer_id: str, page: Page
) -> list[SetupIntent]:
    """Newest first; the other way round when the page goes backwards."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND customer_id = $2 AND id > $3 AND id >= $4 AND id < $5
            ORDER BY id
            LIMIT $6
            """,
            account_id,
            customer_id,
            page.above,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND customer_id = $2 AND id < $3 AND id >= $4 AND id < $5
            ORDER BY id DESC
            LIMIT $6
            """,
            account_id,
            customer_id,
            page.below,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
        )
    return [row_of(row) for row in rows]


async def page_of_payment_method(
    conn: Connection, account_id: str, payment_method_id: str, customer_id: str | None, page: Page
) -> list[SetupIntent]:
    """Likewise; a customer narrows it further."""
    if page.backwards:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND payment_method_id = $2 AND id > $3
              AND id >= $4 AND id < $5 AND ($7::text IS NULL OR customer_id = $7)
            ORDER BY id
            LIMIT $6
            """,
            account_id,
            payment_method_id,
            page.above,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
            customer_id,
        )
    else:
        rows = await conn.fetch(
            """
            SELECT id, account_id, status, client_secret, customer_id, payment_method_id, usage,
                   cancellation_reason, last_setup_error, next_action, authentication_token, details,
                   metadata, created_at
            FROM setup_intents
            WHERE account_id = $1 AND payment_method_id = $2 AND id < $3
              AND id >= $4 AND id < $5 AND ($7::text IS NULL OR customer_id = $7)
            ORDER BY id DESC
            LIMIT $6
            """,
            account_id,
            payment_method_id,
            page.below,
            first_id(PREFIX, page.since),
            first_id(PREFIX, page.until),
            page.fetch,
            customer_id,
        )
    return [row_of(row) for row in rows]
