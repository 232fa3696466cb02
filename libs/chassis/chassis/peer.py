"""HTTP/1.1 to one server of our own, many small requests at a time: a third of what a general client costs.

No redirects, no cookies, no proxies, no compression: both ends are ours, and say what they mean. A general
client (httpx) is right for servers of others; between our processes it took 45 % of a payment's CPU.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

IDLE_S_MAX: Final = 30.0  # below the keep-alive time of our servers, so that they do not hang up first
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    status: int
    body: bytes


class PeerError(OSError):
    """The connection broke, or what came is no answer: whether the request took effect is not known."""


class Peer:
    """Its connections: a request takes an idle one or opens another; one that is cancelled takes it along.

    The caller bounds time and number of its requests (a timeout, a bulkhead): nothing waits in here.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str], idle_max: int) -> None:
        """Raises ValueError for a URL that is not http(s) with a host."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url} is not an http(s) address")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = parts.path.rstrip("/")
        self._head = _lines({"Host": parts.netloc.rpartition("@")[2], **headers})
        self._idle: deque[_Connection] = deque(maxlen=idle_max)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> PeerAnswer:
        """Raises PeerError, and OSError when nobody listens."""
        request = (
            f"POST {self._path}{path} HTTP/1.1\r\n{self._head}{_lines(headers)}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection = self._take() or await self._open()
        try:
            answer = await connection.exchange(request.encode("latin-1") + body)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> "_Connection | None":
        """The one that was used last: the others grow old and go."""
        oldest_used_at = time.monotonic() - IDLE_S_MAX
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.used_at > oldest_used_at:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: "_Connection") -> None:
        if not connection.reusable or len(self._idle) == self._idle.maxlen:
            connection.close()
            return
        connection.used_at = time.monotonic()
        self._idle.append(connection)

    async def _open(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._ssl)
        return connection


@asynccontextmanager
async def peer_of(url: str, *, headers: Mapping[str, str], idle_max: int) -> AsyncIterator[Peer]:
    peer = Peer(url, headers=headers, idle_max=idle_max)
    try:
        yield peer
    finally:
        peer.close()


class _Connection(asyncio.Protocol):
    """One request at a time; `reusable` while both ends keep it open."""

    def __init__(self) -> None:
        self.reusable = True
        self.used_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiting: asyncio.Future[PeerAnswer] | None = None
        self._parts: list[bytes] = []
        self._size = 0

    async def exchange(self, request: bytes) -> PeerAnswer:
        if self._transport is None or self._transport.is_closing():
            raise PeerError("the connection was closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._parts, self._size = [], 0
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._waiting is None:
            self.close()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(PeerError(f"no HTTP answer: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(PeerError(f"the connection was lost: {exc}" if exc else "the connection was closed"))

    # --- what the parser calls

    def on_body(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > ANSWER_BYTES_MAX:
            self._fail(PeerError(f"the answer is above {ANSWER_BYTES_MAX} bytes"))
            return
        self._parts.append(part)

    def on_message_complete(self) -> None:
        assert self._parser is not None  # noqa: S101 it is the one that calls
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(PeerAnswer(self._parser.get_status_code(), b"".join(self._parts)))

    def _fail(self, error: PeerError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.close()


def _lines(headers: Mapping[str, str]) -> str:
    """Raises ValueError for what would begin another line."""
    text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\x00" in text:
        raise ValueError("a header holds a line break")
    return text
