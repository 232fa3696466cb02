"""Receivers in this process, on a real Postgres and Redis; the broker is a list."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.support.metrics import Log, Served, empty, serving, settings_of


@pytest.fixture(scope="module")
def shared_dsn(module_migrated_dsn: Callable[[str], str]) -> str:
    return module_migrated_dsn("metrics_ingest")


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
