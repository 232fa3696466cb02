"""Desks on a database that the tests of a module share, emptied before each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from orders.settings import OrdersSettings

from tests.support.databases import Databases, run_apart
from tests.support.letters import Desk, desk_of
from tests.support.orders import settings_of


@pytest.fixture(scope="module")
def module_dsn(databases: Databases) -> Iterator[str]:
    dsn = databases.migrated("orders")
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def orders_dsn(module_dsn: str) -> str:
    run_apart(_empty(module_dsn))
    return module_dsn


async def _empty(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(30):
            await conn.execute(
                """
                TRUNCATE dead_letters, dead_letter_actions, redrive_runs, outbox, inbox, consumer_offsets,
                         parked_keys, parked_messages
                """
            )
    finally:
        await conn.close()


@pytest.fixture
def settings(orders_dsn: str) -> OrdersSettings:
    """Postgres only; everything that polls does so often."""
    return letter_settings(orders_dsn, "redis://127.0.0.1:9")


def letter_settings(dsn: str, redis_url: str, **changed: Any) -> OrdersSettings:
    quick: dict[str, Any] = {
        "redrive_poll_s": 0.02,
        "redrive_tick_s": 0.005,
        "redrive_lease_s": 2.0,
        "letters_report_s": 0.05,
        "redrive_groups": "orders,inventory",
    }
    return settings_of(dsn, redis_url, **(quick | changed))


@pytest.fixture
async def desk(settings: OrdersSettings) -> AsyncIterator[Desk]:
    async with desk_of(settings) as made:
        yield made
