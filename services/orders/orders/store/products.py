"""The catalogue: what is for sale and for how much."""

from collections.abc import Sequence
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from orders.domain.products import Terms


async def put(
    conn: Connection, tenant_id: str, sku: str, terms: Terms, stock_version: int, at: datetime
) -> Record | None:
    """Create or overwrite; None when a writer whose stock came later was here before."""
    return await conn.fetchrow(
        """
        INSERT INTO products (tenant_id, sku, name, unit_price, currency, stock_version, created_at,
                              updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
        ON CONFLICT (tenant_id, sku) DO UPDATE
        SET name = excluded.name, unit_price = excluded.unit_price, currency = excluded.currency,
            stock_version = excluded.stock_version,
            updated_at = greatest(excluded.updated_at, products.updated_at)
        WHERE products.stock_version <= excluded.stock_version
        RETURNING sku, name, unit_price, currency, created_at, updated_at
        """,
        tenant_id,
        sku,
        terms.name,
        terms.unit_price,
        terms.currency,
        stock_version,
        at,
    )


async def get(conn: Connection, tenant_id: str, sku: str) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT sku, name, unit_price, currency, created_at, updated_at
        FROM products
        WHERE tenant_id = $1 AND sku = $2
        """,
        tenant_id,
        sku,
    )


async def named(conn: Connection, tenant_id: str, skus: Sequence[str]) -> list[Record]:
    return await conn.fetch(
        """
        SELECT sku, name, unit_price, currency, created_at, updated_at
        FROM products
        WHERE tenant_id = $1 AND sku = ANY($2::text[])
        """,
        tenant_id,
        skus,
    )


async def page(conn: Connection, tenant_id: str, after: str | None, limit: int) -> list[Record]:
    """In the order of the SKUs, beyond the SKU `after`."""
    return await conn.fetch(
        """
        SELECT sku, name, unit_price, currency, created_at, updated_at
        FROM products
        WHERE tenant_id = $1 AND ($2::text IS NULL OR sku > $2)
        ORDER BY sku
        LIMIT $3
        """,
        tenant_id,
        after,
        limit,
    )
