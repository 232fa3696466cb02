"""Receivers in this process, on a real Postgres and Redis; the broker is a list."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.support.metrics import Log, Served, serving, settings_of


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def served(migrated_dsn: Callable[[str], str], redis_url: str, log: Log) -> AsyncIterator[Served]:
    async with serving(settings_of(migrated_dsn("metrics_ingest"), redis_url), log) as served:
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """As tenant "one"."""
    return served.client()
