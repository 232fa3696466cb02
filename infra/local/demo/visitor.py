"""A browser reduced to GET over kept connections, so that the client costs less than the server."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Answer:
    status_code: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Visitor:
    """As many connections as there are visits at once; the caller bounds those."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._idle: deque[_Connection] = deque()

    async def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{lines}\r\n".encode("latin-1")
        connection = await self._connection()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await connection.ask(request)
        if connection.usable:
            self._idle.append(connection)
        return answer

    async def _connection(self) -> "_Connection":
        while self._idle:
            if (idle := self._idle.pop()).usable:
                return idle
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, made = await asyncio.get_running_loop().create_connection(
                _Connection, self._host, self._port
            )
        made.transport = transport
        return made

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport  # set by the visitor that made it

    def __init__(self) -> None:
        self.usable = True
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes) -> Answer:
        self._waiting = asyncio.get_running_loop().create_future()
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)
        return await self._waiting

    def close(self) -> None:
        self.transport.close()

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed before it answered"))

    # the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        self._answer.status_code = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.usable = False
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._answer)
