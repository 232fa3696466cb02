"""A database of the service's own, a store that does as it is told, and a real one."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from chassis import postgres
from chassis.kafka import offsets
from chassis.postgres import Pool
from chassis.settings import ChassisSettings
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases.writing import GROUP
from metrics_ingest.victoria import Victoria, victoria_of

from tests.integration.metrics_writer.scripted import World
from tests.support.batches import TOPIC
from tests.support.metrics import Victoria as Server
from tests.support.shared import SharedServers


@pytest.fixture
async def pool(migrated_dsn: Callable[[str], str]) -> AsyncIterator[Pool]:
    settings = ChassisSettings(service_name="test", database_url=migrated_dsn("metrics_ingest"))
    async with postgres.pool_of(settings) as pool:
        yield pool


@pytest.fixture
async def world(pool: Pool) -> World:
    """A writer that owns two partitions, from their beginning."""
    async with pool.acquire() as conn:
        await offsets.load(conn, GROUP, [(TOPIC, 0), (TOPIC, 1)])
    return World(pool)


@pytest.fixture
def store_server(servers: SharedServers) -> Iterator[Server]:
    server = Server(servers.own_folder("victoria"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def store(store_server: Server) -> AsyncIterator[Victoria]:
    async with victoria_of(store_server.address, WriterBounds(), "test") as store:
        yield store
