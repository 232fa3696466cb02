"""A broker, a store and a database of one test's own, and what was sent to them."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from chassis import postgres

from infra.kafka import topics
from tests.chaos.metrics_writer.flow import Flow, settings_of
from tests.support.batches import TOPIC
from tests.support.metrics import Victoria
from tests.support.processes import Processes
from tests.support.servers import Handle
from tests.support.shared import SharedServers


@pytest.fixture
def store_server(servers: SharedServers) -> Iterator[Victoria]:
    server = Victoria(servers.own_folder("victoria"))
    server.start()
    yield server
    server.close()


@pytest.fixture
async def flow(
    own_kafka: Handle, store_server: Victoria, migrated_dsn: Callable[[str], str]
) -> AsyncIterator[Flow]:
    size = {"max.message.bytes": "1572864"}
    await topics.apply(
        own_kafka.address, [topics.Topic(TOPIC, 6, size), topics.Topic(f"{TOPIC}.dlq", 1, size)]
    )
    settings = settings_of(migrated_dsn("metrics_ingest"), own_kafka.address, store_server.address)
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
