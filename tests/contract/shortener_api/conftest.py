"""The management API as a server of its own thread, for clients that are not asynchronous."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from tests.integration.shortener_api.served import key_of, put_test_tenants, serving, settings_of
from tests.support.databases import Databases

START_S = 30


class Threaded:
    """Serves until `close`; the app's own loop runs in the thread."""

    def __init__(self, dsn: str, redis_url: str) -> None:
        self._settings = settings_of(dsn, redis_url, report_rate_per_s=1_000, report_burst=10_000)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(START_S)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(START_S)
        self._socket.close()

    async def _run(self) -> None:
        async with serving(self._settings) as served:
            await put_test_tenants(served.pool)
            # The lifespan is entered above: the server must not enter it again.
            self._server = uvicorn.Server(uvicorn.Config(served.app, lifespan="off", log_level="error"))
            self._ready.set()
            await self._server.serve(sockets=[self._socket])


@pytest.fixture(scope="module")
def threaded_api(databases: Databases, _redis_of_worker: str) -> Iterator[Threaded]:
    dsn = databases.migrated("shortener")
    api = Threaded(dsn, _redis_of_worker)
    api.start()
    yield api
    api.close()
    databases.drop(dsn)


@pytest.fixture
def tenant_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {key_of('one')}"}
