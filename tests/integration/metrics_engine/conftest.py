"""A database with the service's schema and two tenants."""

from collections.abc import AsyncIterator, Callable

import pytest
from chassis import postgres

from tests.integration.metrics_engine.registries import World, add_tenants, settings


@pytest.fixture
async def world(migrated_dsn: Callable[[str], str]) -> AsyncIterator[World]:
    dsn = migrated_dsn("metrics_ingest")
    await add_tenants(dsn)
    async with postgres.pool_of(settings(dsn)) as pool:
        yield World(dsn, pool)
