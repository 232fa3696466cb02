"""An inventory for each test."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.inventory.served import Served, serving, settings_of


@pytest.fixture
async def shop(migrated_dsn: Callable[[str], str]) -> AsyncIterator[Served]:
    async with serving(settings_of(migrated_dsn("inventory"), database_pool_max=16)) as served:
        yield served
