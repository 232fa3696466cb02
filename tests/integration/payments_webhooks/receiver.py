"""A receiver of webhooks on a port of its own: notes every request and answers as it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

READ_TIMEOUT_S = 20


@dataclass(frozen=True)
class Got:
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """`status` and `body` are what it answers; with `hang` it answers nothing until it is closed.

    One that is `rude` says something of its own at once and hangs up; `raw` is what it heard before.
    """

    url: str = ""
    status: int | Callable[[Got], int] = 200
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    rude: bool = False
    raw: bytes = b""
    got: list[Got] = field(default_factory=list)
    most_at_once: int = 0
    _open: int = 0
    _released: bool = False
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.rude:
            self.raw += await reader.read(4096)
            writer.write(b"HTTP/1.1 400 No\r\n\r\n")
            return
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        got = Got(head[0].split(" ")[1], headers, body)
        self.got.append(got)
        if self.hang:
            await self._closed.wait()
            if not self._released:
                return
        status = self.status if isinstance(self.status, int) else self.status(got)
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        answer = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(self.body)}\r\n{more}\r\n"
        writer.write(answer.encode() + self.body)
        await writer.drain()

    def close(self) -> None:
        """What hangs is cut off."""
        self._closed.set()

    def release(self) -> None:
        """What hangs is answered."""
        self.hang, self._released = False, True
        self._closed.set()

    @property
    def ids(self) -> list[str]:
        return [got.event["id"] for got in self.got]


@asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**options)
    server = await asyncio.start_server(receiver.answer, "127.0.0.1", 0, backlog=512)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.close()
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_TIMEOUT_S):
                await server.wait_closed()
