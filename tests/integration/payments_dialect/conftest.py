"""The dialect alone, with a noun of the tests: in this process, on a real Postgres and a real Redis."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import TABLE, with_notes
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
    return settings_of(dsn, redis_url)


@pytest.fixture
async def served(settings: PaymentsSettings) -> AsyncIterator[Served]:
    async with serving(settings, make=with_notes) as served:
        async with served.pool.acquire() as conn:
            await conn.execute(TABLE)
            await conn.execute("TRUNCATE notes, idempotency_keys")
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """The API as account "one" sees it."""
    return served.client()
