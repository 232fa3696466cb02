"""Statements of the reconcile: each counts the SKUs it looked at, what is wrong, and gives a few examples."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

Compare = Callable[[Connection, int, float], Awaitable[Record]]


async def allow(conn: Connection, timeout_s: float) -> None:
    """Of a statement in this transaction: whole tables are read."""
    await conn.execute("SELECT set_config('statement_timeout', $1, true)", str(int(timeout_s * 1000)))


async def never_negative(conn: Connection, examples: int, timeout_s: float) -> Record:
    return _there(
        await conn.fetchrow(
            """
            WITH compared AS (
                SELECT tenant_id || '/' || sku AS name,
                       on_hand >= 0 AND reserved >= 0 AND sold >= 0 AND reserved <= on_hand AS ok
                FROM stock
            )
            SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
                   (array_agg(name) FILTER (WHERE NOT ok))[1:$1] AS examples
            FROM compared
            """,
            examples,
            timeout=timeout_s,
        )
    )


async def conserved(conn: Connection, examples: int, timeout_s: float) -> Record:
    """Received + adjusted = on hand + sold, by the movements and by the row."""
    return _there(
        await conn.fetchrow(
            """
            WITH moved AS (
                SELECT tenant_id, sku,
                       coalesce(sum(quantity) FILTER (WHERE kind = 'receipt'), 0) AS received,
                       coalesce(sum(quantity) FILTER (WHERE kind = 'adjustment'), 0) AS adjusted,
                       coalesce(sum(quantity) FILTER (WHERE kind = 'sale'), 0)
                       - coalesce(sum(quantity) FILTER (WHERE kind = 'return'), 0) AS sold
                FROM stock_movements
                GROUP BY tenant_id, sku
            ),
            compared AS (
                SELECT coalesce(s.tenant_id, m.tenant_id) || '/' || coalesce(s.sku, m.sku) AS name,
                       coalesce(
                           s.received = coalesce(m.received, 0)
                           AND s.adjusted = coalesce(m.adjusted, 0)
                           AND s.sold = coalesce(m.sold, 0)
                           AND s.received + s.adjusted = s.on_hand + s.sold,
                           false
                       ) AS ok
                FROM stock AS s FULL JOIN moved AS m ON m.tenant_id = s.tenant_id AND m.sku = s.sku
            )
            SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
                   (array_agg(name) FILTER (WHERE NOT ok))[1:$1] AS examples
            FROM compared
            """,
            examples,
            timeout=timeout_s,
        )
    )


async def reserved_is_held(conn: Connection, examples: int, timeout_s: float) -> Record:
    return _there(
        await conn.fetchrow(
            """
            WITH held AS (
                SELECT r.tenant_id, l.sku, sum(l.quantity) AS quantity
                FROM reservations AS r JOIN reservation_lines AS l ON l.order_id = r.order_id
                WHERE r.state = 'reserved'
                GROUP BY r.tenant_id, l.sku
            ),
            compared AS (
                SELECT coalesce(s.tenant_id, h.tenant_id) || '/' || coalesce(s.sku, h.sku) AS name,
                       coalesce(s.reserved = coalesce(h.quantity, 0), false) AS ok
                FROM stock AS s FULL JOIN held AS h ON h.tenant_id = s.tenant_id AND h.sku = s.sku
            )
            SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
                   (array_agg(name) FILTER (WHERE NOT ok))[1:$1] AS examples
            FROM compared
            """,
            examples,
            timeout=timeout_s,
        )
    )


async def sold_is_confirmed(conn: Connection, examples: int, timeout_s: float) -> Record:
    return _there(
        await conn.fetchrow(
            """
            WITH bought AS (
                SELECT r.tenant_id, l.sku, sum(l.quantity) AS quantity
                FROM reservations AS r JOIN reservation_lines AS l ON l.order_id = r.order_id
                WHERE r.state = 'confirmed'
                GROUP BY r.tenant_id, l.sku
            ),
            compared AS (
                SELECT coalesce(s.tenant_id, b.tenant_id) || '/' || coalesce(s.sku, b.sku) AS name,
                       coalesce(s.sold = coalesce(b.quantity, 0), false) AS ok
                FROM stock AS s FULL JOIN bought AS b ON b.tenant_id = s.tenant_id AND b.sku = s.sku
            )
            SELECT count(*) AS checked, count(*) FILTER (WHERE NOT ok) AS wrong,
                   (array_agg(name) FILTER (WHERE NOT ok))[1:$1] AS examples
            FROM compared
            """,
            examples,
            timeout=timeout_s,
        )
    )


async def held(conn: Connection) -> tuple[int, datetime | None]:
    """How many reservations wait, and when the first of them ends."""
    row = _there(
        await conn.fetchrow(
            "SELECT count(*) AS held, min(expires_at) AS first FROM reservations WHERE state = 'reserved'"
        )
    )
    return row["held"], row["first"]


async def outbox(conn: Connection) -> tuple[int, datetime | None]:
    """How many events wait to leave, and since when the oldest."""
    row = _there(
        await conn.fetchrow(
            """
            SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) AS queued) AS waiting,
                   (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS since
            """
        )
    )
    return row["waiting"], row["since"]


def _there(row: Record | None) -> Record:
    if row is None:
        raise LookupError("an aggregate always has a row")
    return row
