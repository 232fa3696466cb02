"""Events and webhooks alone: API and dispatcher in this process, real Postgres, real receivers."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from payments.settings import PaymentsSettings

from tests.integration.payments_webhooks.stage import Stage, staged
from tests.support.payments import settings_of


@pytest.fixture
def settings(migrated_dsn: Callable[[str], str], redis_url: str) -> PaymentsSettings:
    return settings_of(migrated_dsn("payments"), redis_url)


@pytest.fixture
async def stage(settings: PaymentsSettings) -> AsyncIterator[Stage]:
    async with staged(settings) as stage:
        yield stage


@pytest.fixture
async def api(stage: Stage) -> httpx.AsyncClient:
    """The API as account "one" sees it."""
    return stage.served.client()
