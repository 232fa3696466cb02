"""A worker's inside for each test."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.notifications.stage import Stage, staged


@pytest.fixture
def dsn(migrated_dsn: Callable[[str], str]) -> str:
    return migrated_dsn("notifications")


@pytest.fixture
async def stage(dsn: str) -> AsyncIterator[Stage]:
    async with staged(dsn) as stage:
        yield stage
