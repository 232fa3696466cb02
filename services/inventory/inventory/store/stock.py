"""Rows of the shelf. Whoever changes several locks them first, in the order of tenant and SKU (ADR-0011)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record
from chassis.postgres import Connection

from inventory.domain.stock import Level, Movement, Place


@dataclass(frozen=True, slots=True)
class Units:
    """Over all tenants; `oversold` is what was promised or sold and never came in."""

    on_hand: int
    reserved: int
    sold: int
    oversold: int


async def lock_many(conn: Connection, places: Iterable[Place]) -> dict[Place, Level]:
    """Those that exist. The sort stands below the lock: rows are locked one after the other, in order."""
    wanted = list(places)
    rows = await conn.fetch(
        """
        SELECT s.tenant_id, s.sku, s.on_hand, s.reserved, s.sold, s.received, s.adjusted, s.version
        FROM unnest($1::text[], $2::text[]) AS wanted (tenant_id, sku)
        JOIN stock AS s USING (tenant_id, sku)
        ORDER BY s.tenant_id, s.sku
        FOR UPDATE OF s
        """,
        [place.tenant_id for place in wanted],
        [place.sku for place in wanted],
    )
    return {Place(row["tenant_id"], row["sku"]): _level(row) for row in rows}


async def lock(conn: Connection, place: Place) -> Level | None:
    row = await conn.fetchrow(
        """
        SELECT on_hand, reserved, sold, received, adjusted, version
        FROM stock
        WHERE tenant_id = $1 AND sku = $2
        FOR UPDATE
        """,
        place.tenant_id,
        place.sku,
    )
    return None if row is None else _level(row)


async def put_up(conn: Connection, place: Place) -> None:
    """An empty row, unless there is one."""
    await conn.execute(
        "INSERT INTO stock (tenant_id, sku) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        place.tenant_id,
        place.sku,
    )


async def write(conn: Connection, levels: Mapping[Place, Level]) -> None:
    """The caller holds the locks."""
    await conn.execute(
        """
        UPDATE stock AS s
        SET on_hand = n.on_hand, reserved = n.reserved, sold = n.sold, received = n.received,
            adjusted = n.adjusted, version = n.version
        FROM unnest(
            $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[]
        ) AS n (tenant_id, sku, on_hand, reserved, sold, received, adjusted, version)
        WHERE s.tenant_id = n.tenant_id AND s.sku = n.sku
        """,
        [place.tenant_id for place in levels],
        [place.sku for place in levels],
        [level.on_hand for level in levels.values()],
        [level.reserved for level in levels.values()],
        [level.sold for level in levels.values()],
        [level.received for level in levels.values()],
        [level.adjusted for level in levels.values()],
        [level.version for level in levels.values()],
    )


async def record(conn: Connection, movements: Sequence[Movement], at: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO stock_movements (tenant_id, sku, kind, quantity, order_id, at)
        SELECT m.tenant_id, m.sku, m.kind, m.quantity, m.order_id, $6
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
             AS m (tenant_id, sku, kind, quantity, order_id)
        """,
        [movement.place.tenant_id for movement in movements],
        [movement.place.sku for movement in movements],
        [movement.kind for movement in movements],
        [movement.quantity for movement in movements],
        [movement.order_id for movement in movements],
        at,
    )


async def find(conn: Connection, tenant_id: str, skus: Sequence[str]) -> list[tuple[str, Level]]:
    """Those that exist, in the order of their SKUs."""
    rows = await conn.fetch(
        """
        SELECT sku, on_hand, reserved, sold, received, adjusted, version
        FROM stock
        WHERE tenant_id = $1 AND sku = ANY ($2::text[])
        ORDER BY sku
        """,
        tenant_id,
        skus,
    )
    return [(row["sku"], _level(row)) for row in rows]


async def page(conn: Connection, tenant_id: str, after: str, limit: int) -> list[tuple[str, Level]]:
    rows = await conn.fetch(
        """
        SELECT sku, on_hand, reserved, sold, received, adjusted, version
        FROM stock
        WHERE tenant_id = $1 AND sku > $2
        ORDER BY sku
        LIMIT $3
        """,
        tenant_id,
        after,
        limit,
    )
    return [(row["sku"], _level(row)) for row in rows]


async def units(conn: Connection) -> Units:
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(on_hand), 0)::bigint AS on_hand, coalesce(sum(reserved), 0)::bigint AS reserved,
               coalesce(sum(sold), 0)::bigint AS sold,
               coalesce(sum(greatest(sold + reserved - received - adjusted, 0)), 0)::bigint AS oversold
        FROM stock
        """
    )
    if row is None:
        raise LookupError("an aggregate always has a row")
    return Units(row["on_hand"], row["reserved"], row["sold"], row["oversold"])


def _level(row: Record) -> Level:
    return Level(
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        sold=row["sold"],
        received=row["received"],
        adjusted=row["adjusted"],
        version=row["version"],
    )
