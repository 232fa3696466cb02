"""Servers for the chassis' benchmarks, durable as in production, with the chassis' tables."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from chassis import migrate
from chassis.postgres import Pool, create_pool
from chassis.settings import ChassisSettings

from tests.support.servers import Server

T = TypeVar("T")
S = TypeVar("S", bound=Server)


@contextmanager
def running(kind: type[S]) -> Iterator[S]:
    folder = Path(tempfile.mkdtemp(prefix="signalbox-bench-"))
    folder.chmod(0o755)
    server = kind(folder / kind.__name__.lower())
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def migrated_pool(dsn: str, *, size: int = 10) -> AsyncIterator[Pool]:
    """The chassis' own pool on a database with the chassis' tables and one table of "orders"."""
    await migrate.apply(dsn, migrate.CHASSIS)
    settings = ChassisSettings(
        service_name="bench", database_url=dsn, database_pool_max=size, database_timeout_s=30
    )
    pool = await create_pool(settings)
    try:
        async with pool.acquire() as conn:
            await conn.execute(
                "CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, amount_minor bigint, state text)"
            )
            await conn.execute(
                "CREATE TABLE IF NOT EXISTS totals (name text PRIMARY KEY, amount bigint NOT NULL)"
            )
        yield pool
    finally:
        await pool.close()


def run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
