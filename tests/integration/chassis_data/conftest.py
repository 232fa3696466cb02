"""Pools, producers and consumers on this run's servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from chassis import postgres
from chassis.kafka import ConsumerLoop, Message, Producer
from chassis.kafka.group import GroupLoop
from chassis.outbox import Relay
from chassis.postgres import Connection, Pool
from chassis.settings import ChassisSettings

from tests.integration.chassis_data.consuming import LIMITS, record_effects

PASSWORD = "for-tests-only"
Handler = Callable[[Connection, list[Message]], Awaitable[None]]
Consume = Callable[..., contextlib.AbstractAsyncContextManager[ConsumerLoop]]


@pytest.fixture
def dsn(migrated_dsn: Callable[[str], str]) -> str:
    """A database with the chassis' tables."""
    return migrated_dsn("chassis")


@pytest.fixture
def settings(dsn: str) -> ChassisSettings:
    """Postgres only."""
    return ChassisSettings(service_name="test", database_url=dsn)


@pytest.fixture
def kafka_settings(settings: ChassisSettings, kafka_bootstrap: str) -> ChassisSettings:
    return settings.model_copy(update={"kafka_bootstrap": kafka_bootstrap})


@pytest.fixture
async def pool(settings: ChassisSettings) -> AsyncIterator[Pool]:
    async with postgres.pool_of(settings) as pool:
        yield pool


@pytest.fixture
async def pools(settings: ChassisSettings) -> AsyncIterator[Callable[..., object]]:
    """`await pools()`: one more pool, as another process would hold."""
    async with contextlib.AsyncExitStack() as stack:

        async def make() -> Pool:
            return await stack.enter_async_context(postgres.pool_of(settings))

        yield make


@pytest.fixture
async def producer(kafka_settings: ChassisSettings) -> AsyncIterator[Producer]:
    producer = Producer(kafka_settings)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def effects(pool: Pool) -> Pool:
    """A pool with a table of effects, in which nothing forbids doing one twice."""
    await pool.execute(
        """
        CREATE TABLE effects (
            id bigint GENERATED ALWAYS AS IDENTITY, key text, value text, part int, at bigint
        )
        """
    )
    return pool


@pytest.fixture
def consume(kafka_settings: ChassisSettings, effects: Pool) -> Consume:
    @contextlib.asynccontextmanager
    async def run(topic: str, apply: Handler = record_effects, **options: Any) -> AsyncIterator[ConsumerLoop]:
        options = {
            "group": f"g.{topic}",
            "topics": [topic],
            "apply": apply,
            "pool": effects,
            "limits": LIMITS,
            **options,
        }
        loop = ConsumerLoop(kafka_settings, **options)
        async with running(loop):
            yield loop

    return run


@contextlib.asynccontextmanager
async def running(loop: GroupLoop | Relay) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task
