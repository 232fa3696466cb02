"""Pools and producers on this run's servers."""

import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from chassis import postgres
from chassis.kafka import Producer
from chassis.postgres import Pool
from chassis.settings import ChassisSettings

PASSWORD = "for-tests-only"


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
