"""The service on a real store, a real Postgres and two tenants whose series have the same names."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from metrics_ingest.asking import queries_of
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.victoria import Victoria as Client
from metrics_ingest.victoria import victoria_of

from tests.support import remote_write
from tests.support.metrics import Log, Served, Victoria, serving, settings_of


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    server = Victoria(tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.close()


@dataclass
class World:
    served: Served
    client: Client
    server: Victoria

    async def put(self, tenant: str, name: str, samples: list[tuple[int, float]], **labels: str) -> None:
        """One series, as the writer would store it, and visible."""
        pairs = sorted({"__name__": name, **labels}.items())
        body = remote_write.request([remote_write.series(pairs, samples)])
        await self.client.write(tenant, remote_write.snap(body))
        await self.client.force_flush()

    async def commit(self, partition: int, next_offset: int) -> None:
        """The writer has come so far."""
        async with self.served.pool.acquire() as conn:
            await conn.execute(
                """
                INSERT INTO consumer_offsets (consumer_group, topic, partition, next_offset)
                VALUES ('metrics-writer', 'metrics-ingest.batches-accepted.v1', $1, $2)
                ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = $2
                """,
                partition,
                next_offset,
            )


@pytest.fixture
async def world(
    victoria: Victoria, migrated_dsn: Callable[[str], str], redis_url: str
) -> AsyncIterator[World]:
    settings = settings_of(
        migrated_dsn("metrics_ingest"),
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
        yield World(served, client, victoria)
        await _forget(victoria)


async def _forget(victoria: Victoria) -> None:
    """Each test begins with an empty store; one that a test froze or stopped is left as it is."""
    if not victoria.running:
        return
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        path = "/api/v1/admin/tsdb/delete_series"
        async with session.post(victoria.address + path, data={"match[]": '{__name__!=""}'}) as answer:
            assert answer.status == 204
