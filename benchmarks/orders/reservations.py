"""Everybody wants the same SKU: row locks a batch, row locks an order, and versions with retries (ADR-0011).

All three decide with the same code and write the same rows; what differs is how they meet at the hot row.
"""

import asyncio
import random
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TypeVar

from chassis import outbox, postgres
from chassis.postgres import Connection, Pool
from inventory import events
from inventory.domain.allocation import allocate
from inventory.domain.reservations import Line, Reserve
from inventory.domain.stock import Level, Place
from inventory.settings import InventorySettings
from inventory.store import reservations
from inventory.usecases.reservations import answer

from benchmarks._frame import Row, figure, more_is_better
from benchmarks.chassis.servers import run, running
from tests.support.databases import Databases
from tests.support.servers import Postgres

TENANT, SKU, ON_SHELF = "acme", "hot", 100_000_000
PLACE = Place(TENANT, SKU)
WORKERS, BATCH = 2, 500
CALLERS = 16
TOGETHER, SINGLY, VERSIONED = 10_000, 1_500, 600
ROUNDS = 3
RETRY_FIRST_S, RETRY_MOST_S = 0.001, 0.1

T = TypeVar("T")
Reserving = Callable[[Pool, int], Awaitable[float]]


def measure_reservations() -> list[Row]:
    """Alternated rounds on a durable Postgres; one line an order, of the one SKU."""
    with running(Postgres) as server, tempfile.TemporaryDirectory() as folder:
        dsn = Databases(server.address, Path(folder)).migrated("inventory")
        together, singly, versioned, tries = run(_measure(dsn))
    unit = "1/s"
    hot = "hot SKU, orders reserved: row locks a batch"
    return [
        more_is_better(f"{hot} / row locks an order", together, singly, unit=unit, goal=5.0),
        more_is_better(f"{hot} / versions with retries", together, versioned, unit=unit, goal=10.0),
        more_is_better(
            "hot SKU, orders reserved: row locks an order / versions with retries",
            singly,
            versioned,
            unit=unit,
        ),
        figure("hot SKU, versions with retries: transactions an order", tries, unit="tries"),
    ]


async def _measure(dsn: str) -> tuple[float, float, float, float]:
    settings = InventorySettings(
        service_name="bench", database_url=dsn, database_pool_max=CALLERS, database_timeout_s=30.0
    )
    seen: dict[str, list[float]] = {"together": [], "singly": [], "versioned": []}
    tries = _Tries()
    ways: dict[str, tuple[Reserving, int]] = {
        "together": (_together, TOGETHER),
        "singly": (_singly, SINGLY),
        "versioned": (tries.versioned, VERSIONED),
    }
    async with postgres.pool_of(settings) as pool:
        await _fill_shelf(pool)
        for _ in range(ROUNDS):
            for name, (reserving, count) in ways.items():
                seen[name].append(count / await reserving(pool, count))
        await _check(pool, ROUNDS * (TOGETHER + SINGLY + VERSIONED))
    return median(seen["together"]), median(seen["singly"]), median(seen["versioned"]), tries.an_order


async def _fill_shelf(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO stock (tenant_id, sku, on_hand, received) VALUES ($1, $2, $3, $3)", *PLACE, ON_SHELF
    )


def _orders(count: int) -> Iterator[Reserve]:
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    for _ in range(count):
        order_id = f"ord_{uuid.uuid4().hex}"
        yield Reserve(
            order_id=order_id,
            tenant_id=TENANT,
            request_id=f"{order_id}:reserve",
            lines=(Line(SKU, 1),),
            expires_at=expires_at,
        )


async def _together(pool: Pool, count: int) -> float:
    """As the workers do it."""
    orders = [*_orders(count)]
    batches = [orders[start : start + BATCH] for start in range(0, count, BATCH)]
    return await _drain(batches, lambda batch: _answer(pool, batch), WORKERS)


async def _singly(pool: Pool, count: int) -> float:
    """The same code with a batch of one: the hot row is waited for by each order."""
    return await _drain([[one] for one in _orders(count)], lambda batch: _answer(pool, batch), CALLERS)


async def _answer(pool: Pool, commands: Sequence[Reserve]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await answer(conn, commands)


class _Lost(Exception):  # noqa: N818 the field's word
    """Somebody else's version came first."""


class _Tries:
    """Reads without a lock, writes if nobody wrote since, else does it all again after a jittered pause."""

    def __init__(self) -> None:
        self.tries = self.orders = 0

    @property
    def an_order(self) -> float:
        return self.tries / self.orders

    async def versioned(self, pool: Pool, count: int) -> float:
        self.orders += count
        return await _drain([*_orders(count)], lambda order: self._until_done(pool, order), CALLERS)

    async def _until_done(self, pool: Pool, order: Reserve) -> None:
        ceiling = RETRY_FIRST_S
        while not await self._done(pool, order):
            await asyncio.sleep(random.uniform(0, ceiling))  # noqa: S311 - jitter
            ceiling = min(RETRY_MOST_S, ceiling * 2)

    async def _done(self, pool: Pool, order: Reserve) -> bool:
        self.tries += 1
        try:
            async with pool.acquire() as conn, conn.transaction():
                await _if_nobody_was_first(conn, order)
        except _Lost:
            return False
        return True


async def _if_nobody_was_first(conn: Connection, order: Reserve) -> None:
    row = await conn.fetchrow(
        """
        SELECT on_hand, reserved, sold, received, adjusted, version
        FROM stock WHERE tenant_id = $1 AND sku = $2
        """,
        *PLACE,
    )
    assert row is not None
    made = allocate([order], {PLACE: Level(**row)}, {}, datetime.now(UTC))
    written = await conn.execute(
        """
        UPDATE stock SET reserved = $3, version = $4
        WHERE tenant_id = $1 AND sku = $2 AND version = $4 - 1
        """,
        *PLACE,
        made.levels[PLACE].reserved,
        made.levels[PLACE].version,
    )
    if written != "UPDATE 1":
        raise _Lost
    await reservations.insert_many(conn, made.answers)
    await reservations.insert_lines(conn, [(order.order_id, line) for line in order.lines])
    await outbox.add(conn, events.of(made.answers[0]))


async def _drain(work: Sequence[T], do: Callable[[T], Awaitable[None]], callers: int) -> float:
    """Seconds until so many callers at once have done it all."""
    left = iter(work)

    async def call() -> None:
        for one in left:
            await do(one)

    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return time.perf_counter() - started


async def _check(pool: Pool, count: int) -> None:
    reserved = await pool.fetchval("SELECT reserved FROM stock WHERE tenant_id = $1 AND sku = $2", *PLACE)
    held = await pool.fetchval("SELECT count(*) FROM reservations WHERE state = 'reserved'")
    assert reserved == held == count, f"{reserved} reserved, {held} held, {count} ordered"
