"""Two shortener processes that the tests of a module share; Kafka is away, which must not matter to them."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.support.databases import Databases, run_apart
from tests.support.shared import SharedServers
from tests.support.shortener import Stack, environment_of

NO_KAFKA = "127.0.0.1:1"


@pytest.fixture(scope="module")
def stack(servers: SharedServers, databases: Databases, _redis_of_worker: str) -> Iterator[Stack]:
    dsn = databases.migrated("shortener")
    environment = environment_of(dsn=dsn, redis_url=_redis_of_worker, kafka=NO_KAFKA)
    stack = Stack(servers.own_folder("redirect"), environment)

    async def start() -> None:
        await stack.seed()
        await stack.start(count=2)

    run_apart(start())
    yield stack
    run_apart(stack.close())
    databases.drop(dsn)


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.api(stack.processes[0]) as client:
        yield client


@pytest.fixture
async def other(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The second process."""
    async with stack.api(stack.processes[1]) as client:
        yield client
