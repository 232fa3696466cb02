"""The management API as a server of its own thread, for clients that are not asynchronous."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI

from tests.integration.shortener_api.served import key_of, put_test_tenants, serving, settings_of
from tests.support.databases import Databases
from tests.support.threaded import Threaded


@pytest.fixture(scope="module")
def threaded_api(databases: Databases, _redis_of_worker: str) -> Iterator[Threaded]:
    dsn = databases.migrated("shortener")
    settings = settings_of(dsn, _redis_of_worker, report_rate_per_s=1_000, report_burst=10_000)

    @asynccontextmanager
    async def app() -> AsyncIterator[FastAPI]:
        async with serving(settings) as served:
            await put_test_tenants(served.pool)
            yield served.app

    api = Threaded(app)
    api.start()
    yield api
    api.close()
    databases.drop(dsn)


@pytest.fixture
def tenant_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {key_of('one')}"}
