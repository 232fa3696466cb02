"""The orders API in this process, on a real Postgres, a real Redis and the real inventory."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from orders.settings import OrdersSettings

from tests.support.orders import Served, Shelf, serving, settings_of, shelf


@pytest.fixture
def inventory(migrated_dsn: Callable[[str], str], redis_url: str) -> Iterator[Shelf]:
    with shelf(migrated_dsn("inventory"), redis_url) as made:
        yield made


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
