"""What a network call inside a transaction costs: a pool of 10 and a bank that takes 50 ms (ADR-0005)."""

import asyncio
import uuid

from chassis.postgres import Pool

from benchmarks._frame import Row, more_is_better
from benchmarks.chassis.rate import alternate
from benchmarks.chassis.servers import migrated_pool, run, running
from tests.support.servers import Postgres

BANK_S = 0.05
POOL_SIZE = 10
CALLERS = 100


def measure() -> list[Row]:
    with running(Postgres) as postgres:
        rates = run(_measure(postgres.address))
    name = f"bank between two transactions / inside one ({CALLERS} callers, pool of {POOL_SIZE})"
    return [more_is_better(name, rates["between"], rates["inside"], unit="1/s", goal=3.0)]


async def _measure(dsn: str) -> dict[str, float]:
    async with migrated_pool(dsn, size=POOL_SIZE) as pool:
        ways = {"inside": lambda: _inside(pool), "between": lambda: _between(pool)}
        return await alternate(ways, tasks=CALLERS)


async def _bank() -> None:
    await asyncio.sleep(BANK_S)


async def _inside(pool: Pool) -> None:
    order_id = uuid.uuid4()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("INSERT INTO orders (id, amount_minor, state) VALUES ($1, 100, 'new')", order_id)
        await _bank()
        await conn.execute("UPDATE orders SET state = 'paid' WHERE id = $1", order_id)


async def _between(pool: Pool) -> None:
    order_id = uuid.uuid4()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "INSERT INTO orders (id, amount_minor, state) VALUES ($1, 100, 'processing')", order_id
        )
    await _bank()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("UPDATE orders SET state = 'paid' WHERE id = $1", order_id)
