"""One broker for all tests, a database, a store and a tenant for each, and what was sent to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from chassis import postgres

from infra.kafka import topics
from tests.chaos.metrics_writer.flow import Flow, settings_of
from tests.support import pick
from tests.support.batches import TOPIC
from tests.support.databases import run_apart
from tests.support.metrics import Victoria
from tests.support.ports import free_port
from tests.support.processes import Processes
from tests.support.servers import Handle
from tests.support.shared import SharedServers


@pytest.fixture(scope="package")
def broker(servers: SharedServers) -> Iterator[Handle]:
    handle = pick.kafka_maker()(servers.own_folder("kafka"))
    handle.start()
    declared = [topic for topic in topics.declared() if topic.name.startswith(TOPIC)]
    run_apart(topics.apply(handle.address, declared))
    yield handle
    handle.close()


@pytest.fixture(scope="package")
def port() -> int:
    """By which the broker knows the writer, whoever it is in this test: it takes over at once."""
    return free_port()


@pytest.fixture
def store_server(servers: SharedServers) -> Iterator[Victoria]:
    server = Victoria(servers.own_folder("victoria"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def flow(
    broker: Handle, port: int, store_server: Victoria, migrated_dsn: Callable[[str], str]
) -> AsyncIterator[Flow]:
    dsn = migrated_dsn("metrics_ingest")
    settings = settings_of(dsn, broker.address, store_server.address, port)
    async with postgres.pool_of(settings) as pool:
        flow = Flow(settings, pool, store_server)
        await flow.producer.start()
        yield flow
        await flow.producer.stop()


@pytest.fixture
async def processes(flow: Flow, tmp_path: Path) -> AsyncIterator[Processes]:
    settings = flow.settings
    processes = Processes(
        tmp_path,
        {
            "DATABASE_URL": settings.database_url,
            "KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "VICTORIAMETRICS_URL": settings.victoriametrics_url,
            "BARRIER_EVERY_S": str(settings.barrier_every_s),
        },
    )
    yield processes
    await processes.close()
