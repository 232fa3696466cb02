"""The service on a real store, a real Postgres and two tenants whose series have the same names."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from metrics_ingest.asking import queries_of
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.victoria import victoria_of

from tests.integration.metrics_queries.world import World
from tests.support.metrics import Log, Victoria, empty, serving, settings_of


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    server = Victoria(tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared_dsn(module_migrated_dsn: Callable[[str], str]) -> str:
    return module_migrated_dsn("metrics_ingest")


@pytest.fixture
async def world(victoria: Victoria, shared_dsn: str, redis_url: str) -> AsyncIterator[World]:
    await empty(shared_dsn)
    settings = settings_of(
        shared_dsn,
        redis_url,
        victoriametrics_url=victoria.address,
        query_position_wait_s=1.0,
    )
    async with (
        serving(settings, Log()) as served,
        queries_of(settings, served.pool) as queries,
        victoria_of(victoria.address, WriterBounds(), "tests") as client,
    ):
        served.app.state.queries = queries
        found = World(served, client, victoria)
        yield found
        # Each test begins with an empty store; one that a test left stopped stays as it is.
        if victoria.running:
            await found.forget('{__name__!=""}')
