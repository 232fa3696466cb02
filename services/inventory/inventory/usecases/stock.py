"""The shelf, as people change it: by a count, and by what comes in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chassis import idempotency, once
from chassis.once import Answer, Repeatable
from chassis.postgres import Connection

from inventory.domain.stock import Kind, Level, Movement, Place
from inventory.problems import StockBelowReserved, StockNotFound
from inventory.resources import Resources
from inventory.store import stock as store


def rendered(sku: str, level: Level) -> dict[str, Any]:
    return {
        "sku": sku,
        "available": level.available,
        "reserved": level.reserved,
        "sold": level.sold,
        "stock": level.on_hand,
        "version": level.version,
    }


async def set_stock(res: Resources, place: Place, on_hand: int) -> Level:
    """Raises StockBelowReserved; to say what is so already changes nothing."""
    async with res.db.acquire() as conn, conn.transaction():
        await store.put_up(conn, place)
        level = await _locked(conn, place)
        if on_hand < level.reserved:
            raise StockBelowReserved(f"{level.reserved} are reserved.", reserved=level.reserved)
        if on_hand == level.on_hand:
            return level
        counted = level.counted(on_hand)
        await _write(conn, counted, Movement(place, Kind.ADJUSTMENT, on_hand - level.on_hand))
        return counted


async def receive(res: Resources, place: Place, quantity: int, *, key: str) -> Answer:
    """Once a key of the tenant. Raises StockNotFound and what a key that was used can raise."""
    request = Repeatable(place.tenant_id, key, idempotency.fingerprint(["receipt", place.sku, quantity]))

    async def work() -> Answer:
        async with res.db.acquire() as conn, conn.transaction():
            claimed = await res.once.claim(conn, request)
            if isinstance(claimed, Answer):
                return claimed
            level = (await _locked(conn, place)).receive(quantity)
            await _write(conn, level, Movement(place, Kind.RECEIPT, quantity))
            answer = Answer.of(rendered(place.sku, level))
            await once.finish(conn, claimed, answer)
            return answer

    return await res.once.run(request, work)


async def find(res: Resources, tenant_id: str, skus: Sequence[str]) -> list[tuple[str, Level]]:
    """Those that exist, by SKU."""
    async with res.db.acquire() as conn:
        return await store.find(conn, tenant_id, skus)


async def list_stock(
    res: Resources, tenant_id: str, *, after: str, limit: int
) -> tuple[list[tuple[str, Level]], str | None]:
    """A page, and where the next one begins."""
    async with res.db.acquire() as conn:
        found = await store.page(conn, tenant_id, after, limit + 1)
    return found[:limit], found[limit - 1][0] if len(found) > limit else None


async def _locked(conn: Connection, place: Place) -> Level:
    level = await store.lock(conn, place)
    if level is None:
        raise StockNotFound
    return level


async def _write(conn: Connection, level: Level, movement: Movement) -> None:
    await store.write(conn, {movement.place: level})
    await store.record(conn, [movement], datetime.now(UTC))
