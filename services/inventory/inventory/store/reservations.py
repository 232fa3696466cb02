"""Rows of reservations and their lines. They are locked before any row of the shelf (ADR-0011)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from asyncpg import Record
from chassis.postgres import Connection

from inventory.domain.reservations import Line, Reason, Reservation, Short, State


async def lock_many(conn: Connection, order_ids: Sequence[str]) -> dict[str, Reservation]:
    """Those that exist, with their lines, locked in the order of their ids."""
    rows = await conn.fetch(
        """
        SELECT order_id, tenant_id, state, version, request_id, reason, short, expires_at, traceparent,
               created_at, changed_at
        FROM reservations
        WHERE order_id = ANY ($1::text[])
        ORDER BY order_id
        FOR UPDATE
        """,
        order_ids,
    )
    return await _with_lines(conn, rows)


async def lock_due(conn: Connection, at: datetime, limit: int) -> dict[str, Reservation]:
    """Some of those whose time is up and that nobody else works on."""
    rows = await conn.fetch(
        """
        SELECT order_id, tenant_id, state, version, request_id, reason, short, expires_at, traceparent,
               created_at, changed_at
        FROM reservations
        WHERE state = 'reserved' AND expires_at <= $1
        ORDER BY expires_at
        LIMIT $2
        FOR UPDATE SKIP LOCKED
        """,
        at,
        limit,
    )
    return await _with_lines(conn, rows)


async def insert_many(conn: Connection, reservations: Sequence[Reservation]) -> int:
    """How many were new: fewer than given when another transaction has answered one of the orders first."""
    rows = await conn.fetch(
        """
        INSERT INTO reservations (
            order_id, tenant_id, state, version, request_id, reason, short, expires_at, traceparent,
            created_at, changed_at
        )
        SELECT n.order_id, n.tenant_id, n.state, n.version, n.request_id, n.reason, n.short::jsonb,
               n.expires_at, n.traceparent, n.created_at, n.changed_at
        FROM unnest(
            $1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::text[], $10::timestamptz[], $11::timestamptz[]
        ) AS n (
            order_id, tenant_id, state, version, request_id, reason, short, expires_at, traceparent,
            created_at, changed_at
        )
        ORDER BY n.order_id
        ON CONFLICT DO NOTHING
        RETURNING order_id
        """,
        [one.order_id for one in reservations],
        [one.tenant_id for one in reservations],
        [one.state for one in reservations],
        [one.version for one in reservations],
        [one.request_id for one in reservations],
        [one.reason for one in reservations],
        [_json(one.short) for one in reservations],
        [one.expires_at for one in reservations],
        [one.traceparent for one in reservations],
        [one.created_at for one in reservations],
        [one.changed_at for one in reservations],
    )
    return len(rows)


async def insert_lines(conn: Connection, lines: Sequence[tuple[str, Line]]) -> None:
    """Pairs of order id and line."""
    await conn.execute(
        """
        INSERT INTO reservation_lines (order_id, sku, quantity)
        SELECT order_id, sku, quantity
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (order_id, sku, quantity)
        """,
        [order_id for order_id, _ in lines],
        [line.sku for _, line in lines],
        [line.quantity for _, line in lines],
    )


async def update_many(conn: Connection, reservations: Sequence[Reservation]) -> None:
    """The caller holds the locks."""
    await conn.execute(
        """
        UPDATE reservations AS r
        SET state = n.state, version = n.version, request_id = n.request_id, reason = n.reason,
            short = n.short::jsonb, expires_at = n.expires_at, changed_at = n.changed_at
        FROM unnest(
            $1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[]
        ) AS n (order_id, state, version, request_id, reason, short, expires_at, changed_at)
        WHERE r.order_id = n.order_id
        """,
        [one.order_id for one in reservations],
        [one.state for one in reservations],
        [one.version for one in reservations],
        [one.request_id for one in reservations],
        [one.reason for one in reservations],
        [_json(one.short) for one in reservations],
        [one.expires_at for one in reservations],
        [one.changed_at for one in reservations],
    )


async def page(conn: Connection, after: str, limit: int) -> list[tuple[str, State]]:
    rows = await conn.fetch(
        "SELECT order_id, state FROM reservations WHERE order_id > $1 ORDER BY order_id LIMIT $2",
        after,
        limit,
    )
    return [(row["order_id"], State(row["state"])) for row in rows]


async def count_held(conn: Connection) -> int:
    count: int = await conn.fetchval("SELECT count(*) FROM reservations WHERE state = 'reserved'")
    return count


async def _with_lines(conn: Connection, rows: Sequence[Record]) -> dict[str, Reservation]:
    """Lines are written with their order and never change: they need no lock."""
    lines = await _lines_of(conn, [row["order_id"] for row in rows]) if rows else {}
    return {row["order_id"]: _reservation(row, lines.get(row["order_id"], ())) for row in rows}


async def _lines_of(conn: Connection, order_ids: Sequence[str]) -> Mapping[str, tuple[Line, ...]]:
    rows = await conn.fetch(
        """
        SELECT order_id, sku, quantity
        FROM reservation_lines
        WHERE order_id = ANY ($1::text[])
        ORDER BY order_id, sku
        """,
        order_ids,
    )
    lines: dict[str, tuple[Line, ...]] = {}
    for row in rows:
        line = Line(row["sku"], row["quantity"])
        lines[row["order_id"]] = (*lines.get(row["order_id"], ()), line)
    return lines


def _json(short: tuple[Short, ...]) -> str:
    """As text: a list within an array would be taken for another dimension of it."""
    return msgspec.json.encode(short).decode()


def _reservation(row: Record, lines: tuple[Line, ...]) -> Reservation:
    return Reservation(
        order_id=row["order_id"],
        tenant_id=row["tenant_id"],
        state=State(row["state"]),
        version=row["version"],
        request_id=row["request_id"],
        reason=None if row["reason"] is None else Reason(row["reason"]),
        short=tuple(Short(**one) for one in row["short"]),
        expires_at=row["expires_at"],
        traceparent=row["traceparent"],
        lines=lines,
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )
