"""Pages of customers: each statement walks one index from where the page begins, and sorts nothing.

An id tells when its customer was made, so that bounds of time are bounds of the walk too.
"""

from chassis.postgres import Connection

from payments.dialect.lists import Page
from payments.domain.customers import PREFIX, Customer
from payments.domain.ids import first_id


async def newest(conn: Connection, account_id: str, page: Page) -> list[Customer]:
    """From `page.below` downwards."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
        FROM customers
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
    return [Customer(*row) for row in rows]


async def oldest(conn: Connection, account_id: str, page: Page) -> list[Customer]:
    """From `page.above` upwards."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
        FROM customers
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
    return [Customer(*row) for row in rows]


async def newest_of_email(conn: Connection, account_id: str, email: str, page: Page) -> list[Customer]:
    """From `page.below` downwards, of one address, letter by letter."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
        FROM customers
        WHERE account_id = $1 AND email = $2 AND id < $3 AND id >= $4 AND id < $5
        ORDER BY id DESC
        LIMIT $6
        """,
        account_id,
        email,
        page.below,
        first_id(PREFIX, page.since),
        first_id(PREFIX, page.until),
        page.fetch,
    )
    return [Customer(*row) for row in rows]


async def oldest_of_email(conn: Connection, account_id: str, email: str, page: Page) -> list[Customer]:
    """From `page.above` upwards, of one address, letter by letter."""
    rows = await conn.fetch(
        """
        SELECT id, account_id, email, default_payment_method, profile, metadata, created_at
        FROM customers
        WHERE account_id = $1 AND email = $2 AND id > $3 AND id >= $4 AND id < $5
        ORDER BY id
        LIMIT $6
        """,
        account_id,
        email,
        page.above,
        first_id(PREFIX, page.since),
        first_id(PREFIX, page.until),
        page.fetch,
    )
    return [Customer(*row) for row in rows]
