"""A merchant's webhook receiver: keeps what comes, and answers only when it may."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Self

import stripe

LIMIT_S = 30.0


class Receiver:
    """HTTP on a port of its own; `let_through` set means 200 at once, else deliveries wait unanswered."""

    def __init__(self) -> None:
        self.let_through = asyncio.Event()
        self.waiting = 0
        self.received: list[tuple[str, bytes]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hooks"

    def events(self, secret: str) -> Counter[str]:
        """How often each event was acknowledged, its signature checked as a merchant does."""
        verified = (
            stripe.Webhook.construct_event(body, signature, secret) for signature, body in self.received
        )
        return Counter(event.id for event in verified)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(LIMIT_S):
                    await self._answer_one(reader, writer)
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")[1:]
        fields = dict(line.split(": ", 1) for line in head if ": " in line)
        body = await reader.readexactly(int(fields["content-length"]))
        self.waiting += 1
        await self.let_through.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        self.received.append((fields["stripe-signature"], body))
