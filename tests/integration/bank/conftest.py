"""A bank for each test."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.bank.served import Served, serving, settings_of


@pytest.fixture
async def bank(migrated_dsn: Callable[[str], str]) -> AsyncIterator[Served]:
    async with serving(settings_of(migrated_dsn("bank"))) as served:
        yield served
