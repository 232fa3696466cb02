"""The management API in this process, on a real Postgres and a real Redis."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from shortener.settings import ShortenerSettings

from tests.integration.shortener_api.served import Served, put_test_tenants, serving, settings_of


@pytest.fixture
def settings(migrated_dsn: Callable[[str], str], redis_url: str) -> ShortenerSettings:
    return settings_of(migrated_dsn("shortener"), redis_url)


@pytest.fixture
async def served(settings: ShortenerSettings) -> AsyncIterator[Served]:
    async with serving(settings) as served:
        await put_test_tenants(served.pool)
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """The API as tenant "one" sees it."""
    return served.client()
