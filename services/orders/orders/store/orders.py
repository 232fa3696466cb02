"""Orders with their lines and their timeline."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection

from orders.domain.orders import Order
from orders.domain.timeline import Entry


async def insert(conn: Connection, order: Order, entry: Entry) -> None:
    """A new order, its lines in their order, and the first row of its timeline."""
    await conn.execute(
        """
        WITH placed AS (
            INSERT INTO orders (id, tenant_id, customer_id, currency, payment_method, amount, status, step,
                                notify, version, traceparent, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        ), ordered AS (
            INSERT INTO order_lines (order_id, number, sku, name, quantity, unit_price)
            SELECT $1, line.number, line.sku, line.name, line.quantity, line.unit_price
            FROM unnest($13::text[], $14::text[], $15::integer[], $16::integer[])
                WITH ORDINALITY AS line (sku, name, quantity, unit_price, number)
        )
        INSERT INTO order_timeline (order_id, version, status, event_id, at)
        VALUES ($1, $10, $8, $17, $12)
        """,
        order.id,
        order.tenant_id,
        order.customer_id,
        order.currency,
        order.payment_method,
        order.amount,
        order.status,
        order.step,
        {"email": order.notify.email, "webhook_url": order.notify.webhook_url},
        order.version,
        order.traceparent,
        order.created_at,
        [line.sku for line in order.lines],
        [line.name for line in order.lines],
        [line.quantity for line in order.lines],
        [line.unit_price for line in order.lines],
        entry.event_id,
    )


async def get(conn: Connection, tenant_id: str, order_id: str) -> Record | None:
    """With `lines` and `timeline`."""
    return await conn.fetchrow(
        """
        SELECT id, tenant_id, customer_id, currency, payment_method, amount, status, step, reason, notify,
               version, cancel_requested_at, traceparent, created_at, updated_at, finished_at,
               (SELECT jsonb_agg(jsonb_build_array(sku, name, quantity, unit_price) ORDER BY number)
                FROM order_lines WHERE order_id = orders.id) AS lines,
               (SELECT jsonb_agg(jsonb_build_array(version, status, event_id, at) ORDER BY version)
                FROM order_timeline WHERE order_id = orders.id) AS timeline
        FROM orders
        WHERE tenant_id = $1 AND id = $2
        """,
        tenant_id,
        order_id,
    )


async def many(conn: Connection, ids: Sequence[str]) -> list[Record]:
    """Newest first, with `lines` and `timeline`."""
    return await conn.fetch(
        """
        SELECT id, tenant_id, customer_id, currency, payment_method, amount, status, step, reason, notify,
               version, cancel_requested_at, traceparent, created_at, updated_at, finished_at,
               (SELECT jsonb_agg(jsonb_build_array(sku, name, quantity, unit_price) ORDER BY number)
                FROM order_lines WHERE order_id = orders.id) AS lines,
               (SELECT jsonb_agg(jsonb_build_array(version, status, event_id, at) ORDER BY version)
                FROM order_timeline WHERE order_id = orders.id) AS timeline
        FROM orders
        WHERE id = ANY($1::text[])
        ORDER BY id DESC
        """,
        ids,
    )


async def lock(conn: Connection, tenant_id: str, order_id: str) -> Record | None:
    """The order for a change, with `lines`."""
    return await conn.fetchrow(
        """
        SELECT id, tenant_id, customer_id, currency, payment_method, amount, status, step, reason, notify,
               version, cancel_requested_at, traceparent, created_at, updated_at, finished_at,
               (SELECT jsonb_agg(jsonb_build_array(sku, name, quantity, unit_price) ORDER BY number)
                FROM order_lines WHERE order_id = orders.id) AS lines
        FROM orders
        WHERE tenant_id = $1 AND id = $2
        FOR UPDATE
        """,
        tenant_id,
        order_id,
    )


async def lock_many(conn: Connection, ids: Sequence[str]) -> list[Record]:
    """Orders of any tenant for a change, with `lines`; locked in the order of their ids."""
    return await conn.fetch(
        """
        SELECT id, tenant_id, customer_id, currency, payment_method, amount, status, step, reason, notify,
               version, cancel_requested_at, traceparent, created_at, updated_at, finished_at,
               (SELECT jsonb_agg(jsonb_build_array(sku, name, quantity, unit_price) ORDER BY number)
                FROM order_lines WHERE order_id = orders.id) AS lines
        FROM orders
        WHERE id = ANY($1::text[])
        ORDER BY id
        FOR UPDATE
        """,
        ids,
    )


async def update_many(conn: Connection, orders: Sequence[Order]) -> None:
    """Write what moves of locked orders."""
    await conn.execute(
        """
        UPDATE orders
        SET status = moved.status, step = moved.step, reason = moved.reason, version = moved.version,
            cancel_requested_at = moved.cancel_requested_at, updated_at = moved.updated_at,
            finished_at = moved.finished_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[],
                    $7::timestamptz[], $8::timestamptz[])
            AS moved (id, status, step, reason, version, cancel_requested_at, updated_at, finished_at)
        WHERE orders.id = moved.id
        """,
        [order.id for order in orders],
        [order.status for order in orders],
        [order.step for order in orders],
        [order.reason for order in orders],
        [order.version for order in orders],
        [order.cancel_requested_at for order in orders],
        [order.updated_at for order in orders],
        [order.finished_at for order in orders],
    )


async def add_timeline(conn: Connection, entries: Sequence[Entry]) -> None:
    await conn.execute(
        """
        INSERT INTO order_timeline (order_id, version, status, event_id, at)
        SELECT order_id, version, status, event_id, at
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::uuid[], $5::timestamptz[])
            AS added (order_id, version, status, event_id, at)
        """,
        [entry.order_id for entry in entries],
        [entry.version for entry in entries],
        [entry.status for entry in entries],
        [entry.event_id for entry in entries],
        [entry.at for entry in entries],
    )
