"""Three real processes of the service on servers of this folder's own, healed after every test."""

import asyncio
import functools
import resource
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from shortener.events import CLICKS_RECORDED, parse_clicks

from infra.kafka import topics
from tests.chaos.shortener.wire import Wire
from tests.conftest import FAST_POSTGRES
from tests.support import pick
from tests.support.databases import migrate, run_apart
from tests.support.eventually import eventually
from tests.support.servers import Handle
from tests.support.shared import SharedServers
from tests.support.shortener import Process, Stack, environment_of

PROCESSES = 3
NO_KAFKA = "127.0.0.1:1"
ROADS = ("notify", "redis")


@dataclass
class Fleet:
    """The processes, their servers, and what tests do to both."""

    stack: Stack
    postgres: Handle
    redis: Handle
    processes: list[Process]

    @property
    def ports(self) -> list[int]:
        return [process.port for process in self.processes]

    def api(self, number: int = 0) -> httpx.AsyncClient:
        return self.stack.api(self.processes[number])

    async def create(self, **fields: Any) -> dict[str, Any]:
        """A link with a slug of its own, leading to https://example.com/<slug>."""
        slug = f"link-{uuid.uuid4().hex[:10]}"
        async with self.api() as api:
            body = {"slug": slug, "url": f"https://example.com/{slug}", **fields}
            answer = await api.post("/v1/links", json=body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return dict(answer.json())

    async def links(self, count: int) -> list[str]:
        """Fresh slugs of links that no cache has seen."""
        mark = uuid.uuid4().hex[:6]
        slugs = [f"load-{mark}-{number}" for number in range(count)]
        await self.stack.insert_links(slugs)
        return slugs

    async def statuses(self, slug: str) -> list[int]:
        """What each process answers."""
        return list(await asyncio.gather(*(status_of(port, slug) for port in self.ports)))

    async def redis_command(self, *words: str | int) -> Any:
        client: Any = Redis.from_url(self.redis.address, retry=Retry(NoBackoff(), 0), socket_timeout=5)
        async with client:
            return await client.execute_command(*words)

    async def cut_redis_connections(self) -> None:
        await self.redis_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def cut_listeners(self) -> None:
        async with self.stack.connected() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE '%-listen'"
            )

    async def roads_open(self) -> None:
        """Every process hears of changes by both roads."""

        async def up() -> bool:
            series = [f'shortener_cache_tracking_up{{source="{road}"}}' for road in ROADS]
            values = [await process.metric(name) for process in self.processes for name in series]
            return all(values)

        await eventually(up, timeout_s=30)


async def status_of(port: int, slug: str) -> int:
    async with Wire(port) as wire:
        return (await wire.get(slug)).status


@pytest.fixture(scope="session", autouse=True)
def _many_files() -> None:
    """Thousands of connections at once are thousands of files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(scope="package")
def shared_fleet(servers: SharedServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    postgres = pick.postgres_maker()(servers.own_folder("postgres"), FAST_POSTGRES)
    redis = pick.redis_maker()(servers.own_folder("redis"))
    for server in (postgres, redis):
        server.start()
    environment = environment_of(dsn=postgres.address, redis_url=redis.address, kafka=NO_KAFKA)
    stack = Stack(tmp_path_factory.mktemp("fleet"), environment)
    migrate(postgres.address, "shortener")
    try:
        run_apart(stack.seed())
        yield Fleet(stack, postgres, redis, run_apart(stack.start(count=PROCESSES)))
    finally:
        run_apart(stack.close())
        redis.close()
        postgres.close()


@pytest.fixture
async def fleet(shared_fleet: Fleet) -> AsyncIterator[Fleet]:
    await shared_fleet.roads_open()
    yield shared_fleet
    for server in (shared_fleet.redis, shared_fleet.postgres):
        await asyncio.to_thread(heal, server)


def heal(server: Handle) -> None:
    """Goes on if it was paused, starts if it was ended."""
    server.resume()
    if not getattr(server, "running", True):
        server.start()


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start_process(fleet: Fleet) -> AsyncIterator[Start]:
    """`await start_process(KAFKA_BOOTSTRAP=...)`: one more process on the fleet's servers."""
    started: list[Process] = []

    async def start(*, wait: bool = True, **more: str) -> Process:
        log = fleet.stack.folder / f"more-{uuid.uuid4().hex[:8]}.log"
        process = Process("shortener.main", fleet.stack.environment | more, log)
        started.append(process)
        process.spawn()
        if wait:
            await process.ready()
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            await process.close()


@pytest.fixture
async def clicks_in(own_kafka: Handle) -> Callable[[str], Awaitable[int]]:
    """`await clicks_in(bootstrap)`: how many clicks the topic holds."""
    await topics.apply(own_kafka.address, [t for t in topics.declared() if t.name == CLICKS_RECORDED])

    async def count(bootstrap: str) -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            return await _clicks_until_the_end(consumer)
        finally:
            await consumer.stop()

    return count


async def _clicks_until_the_end(consumer: AIOKafkaConsumer) -> int:
    numbers = {topic.name: topic.partitions for topic in topics.declared()}
    partitions = [TopicPartition(CLICKS_RECORDED, n) for n in range(numbers[CLICKS_RECORDED])]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    clicks: dict[bytes, int] = {}  # by event id: a record whose acknowledgement was lost is sent again
    for partition, end in ends.items():
        while await consumer.position(partition) < end:
            record = await consumer.getone(partition)
            clicks[dict(record.headers)["ce_id"]] = len(parse_clicks(record.value))
    return sum(clicks.values())


def within(seconds: float) -> functools.partial[Any]:
    """`eventually` with the time of a requirement, looked at often."""
    return functools.partial(eventually, timeout_s=seconds, interval_s=0.002)
