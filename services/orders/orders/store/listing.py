"""Pages of a tenant's orders as ids, newest first, each by the index that fits its filter.

`before` is the last id of the page before.
"""

from asyncpg import Record
from chassis.postgres import Connection


async def page(conn: Connection, tenant_id: str, before: str | None, limit: int) -> list[Record]:
    return await conn.fetch(
        """
        SELECT id FROM orders
        WHERE tenant_id = $1 AND id < coalesce($2::text, 'p')
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        before,
        limit,
    )


async def page_of_status(
    conn: Connection, tenant_id: str, before: str | None, limit: int, status: str
) -> list[Record]:
    return await conn.fetch(
        """
        SELECT id FROM orders
        WHERE tenant_id = $1 AND status = $4 AND id < coalesce($2::text, 'p')
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        before,
        limit,
        status,
    )


async def page_of_customer(
    conn: Connection, tenant_id: str, before: str | None, limit: int, customer_id: str, status: str | None
) -> list[Record]:
    """Of a customer, and of a status when one is given: few enough orders to pick from."""
    return await conn.fetch(
        """
        SELECT id FROM orders
        WHERE tenant_id = $1 AND customer_id = $4 AND id < coalesce($2::text, 'p')
          AND ($5::text IS NULL OR status = $5)
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        before,
        limit,
        customer_id,
        status,
    )
