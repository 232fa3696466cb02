"""The payments API in this process, on a real Postgres and a real Redis; its bank is not called here."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.support.databases import Databases
from tests.support.payments import Served, moved_clock, serving, settings_of


@pytest.fixture(scope="module")
def dsn(databases: Databases) -> Iterator[str]:
    """One database a module: `served` empties what it uses."""
    dsn = databases.migrated("payments")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that moves the API's clock."""
    return moved_clock(tmp_path / "clock", 0.0)


@pytest.fixture
def settings(dsn: str, redis_url: str, clock: Path) -> PaymentsSettings:
    return settings_of(dsn, redis_url, database_pool_max=16, clock_file=clock)


@pytest.fixture
async def served(settings: PaymentsSettings) -> AsyncIterator[Served]:
    async with serving(settings) as served:
        async with served.pool.acquire() as conn:
            await conn.execute(
                "TRUNCATE customers, deleted_customers, payment_methods, setup_intents, events,"
                " idempotency_keys CASCADE"
            )
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """The API as account "one" sees it."""
    return served.client()


@pytest.fixture
async def other(served: Served) -> httpx.AsyncClient:
    """The API as account "two" sees it."""
    return served.client("two")


@pytest.fixture
async def replicas(served: Served, settings: PaymentsSettings) -> AsyncIterator[Iterator[httpx.AsyncClient]]:
    """`next(replicas)`: two APIs of one database in turn, as a balancer gives them."""
    async with serving(settings) as second:
        yield itertools.cycle([served.client(), second.client()])
