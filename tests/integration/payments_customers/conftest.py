"""The payments API in this process, on a real Postgres and a real Redis; its bank is not called here."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.support.databases import Databases
from tests.support.payments import Served, serving, settings_of


@pytest.fixture(scope="module")
def dsn(databases: Databases) -> Iterator[str]:
    """One database a module: `served` empties what it uses."""
    dsn = databases.migrated("payments")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def settings(dsn: str, redis_url: str) -> PaymentsSettings:
    return settings_of(dsn, redis_url, database_pool_max=16)


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
