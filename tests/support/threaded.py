"""An API as a server of its own thread and port, for clients that block or want a wire."""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import uvicorn
from starlette.types import ASGIApp

START_S = 30


class Threaded:
    """Serves what `serving()` yields until `close`; the app's own loop runs in the thread."""

    def __init__(self, serving: Callable[[], AbstractAsyncContextManager[ASGIApp]]) -> None:
        self._serving = serving
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
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
        async with self._serving() as app:
            # The lifespan is entered already: the server must not enter it again.
            self._server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
            self._ready.set()
            await self._server.serve(sockets=[self._socket])
