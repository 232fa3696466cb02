"""What a test finds: the service, a client of the store behind it, and the store's process."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from metrics_ingest.victoria import Victoria as Client

from tests.support import remote_write
from tests.support.metrics import Served, Victoria


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

    async def forget(self, match: str) -> None:
        path = "/api/v1/admin/tsdb/delete_series"
        async with (
            asyncio.timeout(10),
            aiohttp.ClientSession(self.server.address) as calls,
            calls.post(path, data={"match[]": match}) as answer,
        ):
            assert answer.status == HTTPStatus.NO_CONTENT

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
