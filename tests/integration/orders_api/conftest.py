"""The orders API in this process, on a real Postgres, a real Redis and the real inventory."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from orders.settings import OrdersSettings

from tests.support.databases import Databases
from tests.support.orders import Served, Shelf, serving, settings_of, shelf


@pytest.fixture(scope="module")
def standing_shelf(databases: Databases, _redis_of_worker: str) -> Iterator[Shelf]:
    """One inventory for the tests of a module: a server and its database cost more than emptying it."""
    dsn = databases.migrated("inventory")
    with shelf(dsn, _redis_of_worker) as made:
        yield made
    databases.drop(dsn)


@pytest.fixture
async def inventory(standing_shelf: Shelf) -> Shelf:
    """Empty, and well; what it remembers is which keys of receipts were used."""
    standing_shelf.mood, standing_shelf.requests = "well", 0
    await standing_shelf.value("TRUNCATE stock, stock_movements, idempotency_keys")
    return standing_shelf


@pytest.fixture
def settings(migrated_dsn: Callable[[str], str], redis_url: str) -> OrdersSettings:
    """Without Kafka and without inventory: no order needs them to be taken."""
    return settings_of(migrated_dsn("orders"), redis_url)


@pytest.fixture
async def served(settings: OrdersSettings) -> AsyncIterator[Served]:
    async with serving(settings) as served:
        yield served


@pytest.fixture
async def api(served: Served) -> httpx.AsyncClient:
    """The API as tenant "one" sees it."""
    return served.client()


@pytest.fixture
async def shop(settings: OrdersSettings, inventory: Shelf) -> AsyncIterator[Served]:
    """With inventory behind it."""
    async with serving(settings.model_copy(update={"inventory_url": inventory.url})) as served:
        yield served
