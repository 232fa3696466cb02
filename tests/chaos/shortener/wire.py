"""HTTP by hand: a connection that a test holds itself, so that a failure is seen and never retried away."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

TIMEOUT_S = 60.0
CONNECTING_MAX = 512


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Wire:
    """One keep-alive connection; `open` before the first `ask`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> Self:
        async with asyncio.timeout(TIMEOUT_S):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_exc: object) -> None:
        self.close()

    async def ask(self, request: bytes) -> Answer:
        """Raises OSError or EOFError when the connection fails."""
        assert self._reader is not None
        assert self._writer is not None
        started = time.monotonic()
        async with asyncio.timeout(TIMEOUT_S):
            self._writer.write(request)
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            bodyless = request.startswith(b"HEAD ")
            body = await self._reader.readexactly(0 if bodyless else int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body, time.monotonic() - started)

    async def get(self, slug: str) -> Answer:
        return await self.ask(get(slug))


def get(slug: str, method: str = "GET") -> bytes:
    return f"{method} /{slug} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "test", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def storm(ports: Sequence[int], requests: Sequence[bytes]) -> list[Answer]:
    """Every request at once, each on a connection of its own, dealt to the ports in turn."""
    wires = [Wire(ports[number % len(ports)]) for number in range(len(requests))]
    connecting = asyncio.Semaphore(CONNECTING_MAX)

    async def connect(wire: Wire) -> None:
        async with connecting:
            await wire.open()

    try:
        await asyncio.gather(*(connect(wire) for wire in wires))
        return await asyncio.gather(
            *(wire.ask(request) for wire, request in zip(wires, requests, strict=True))
        )
    finally:
        for wire in wires:
            wire.close()
