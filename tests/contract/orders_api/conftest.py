"""The orders API as a server of its own thread, for clients that are not asynchronous."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from tests.support.databases import Databases
from tests.support.orders import PRODUCT, key_of, serving, settings_of, shelf
from tests.support.threaded import Threaded


@pytest.fixture(scope="module")
def threaded_api(databases: Databases, _redis_of_worker: str) -> Iterator[Threaded]:
    """With inventory, and with one product."""
    orders_dsn, inventory_dsn = databases.migrated("orders"), databases.migrated("inventory")
    with shelf(inventory_dsn, _redis_of_worker) as inventory:
        settings = settings_of(orders_dsn, _redis_of_worker, inventory_url=inventory.url, faults_enabled=True)

        @asynccontextmanager
        async def app() -> AsyncIterator[FastAPI]:
            async with serving(settings) as served:
                yield served.app

        api = Threaded(app)
        api.start()
        headers = {"Authorization": f"Bearer {key_of('one')}"}
        made = httpx.put(f"{api.url}/v1/products/mug", json=PRODUCT, headers=headers, timeout=60)
        assert made.status_code == httpx.codes.OK, made.text
        yield api
        api.close()
    for dsn in (orders_dsn, inventory_dsn):
        databases.drop(dsn)
