"""A database with the service's schema and two tenants."""

from collections.abc import AsyncIterator, Callable

import pytest
from chassis import postgres

from tests.integration.metrics_engine.registries import World, add_tenants, settings
from tests.support.eventually import eventually
from tests.support.metrics import empty


@pytest.fixture(scope="module")
def shared_dsn(module_migrated_dsn: Callable[[str], str]) -> str:
    return module_migrated_dsn("metrics_ingest")


@pytest.fixture
async def world(shared_dsn: str) -> AsyncIterator[World]:
    await empty(shared_dsn)
    await add_tenants(shared_dsn)
    async with postgres.pool_of(settings(shared_dsn)) as pool:
        world = World(shared_dsn, pool)
        # Budgets are of clock hours: a test must not see two of them.
        await eventually(world.is_within_an_hour, timeout_s=60)
        yield world
