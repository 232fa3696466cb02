"""Receivers in this process, on a real Postgres and Redis; the broker is a list."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.databases import Databases
from tests.support.metrics import Log, Served, empty, serving, settings_of


@pytest.fixture(scope="module")
def shared_dsn(databases: Databases) -> Iterator[str]:
    """One database for the tests of a module; each finds it empty."""
    dsn = databases.migrated("metrics_ingest")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def served(shared_dsn: str, redis_url: str, log: Log) -> AsyncIterator[Served]:
    await empty(shared_dsn)
    async with serving(settings_of(shared_dsn, redis_url), log) as served:
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """As tenant "one"."""
    return served.client()
