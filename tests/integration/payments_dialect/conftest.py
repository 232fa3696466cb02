"""The dialect alone, with a noun of the tests: in this process, on a real Postgres and a real Redis."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.integration.payments_dialect.notes import TABLE, with_notes
from tests.support.payments import Served, serving, settings_of


@pytest.fixture
def settings(migrated_dsn: Callable[[str], str], redis_url: str) -> PaymentsSettings:
    return settings_of(migrated_dsn("payments"), redis_url)


@pytest.fixture
async def served(settings: PaymentsSettings) -> AsyncIterator[Served]:
    async with serving(settings, make=with_notes) as served:
        await served.value(TABLE)
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """The API as account "one" sees it."""
    return served.client()
