"""A TCP road to a server on which an answer, or a request, can be lost."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LossyRoad:
    """`lose_answers`: of so many POSTs the server's answer is read and thrown away, with the connection.

    `lose_requests`: so many POSTs never reach the server.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.url = ""
        self.lose_answers = self.lose_requests = 0
        self.posts: list[bytes] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _message(reader):
                answer = await self._exchange(request)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            pass  # the client went first
        finally:
            writer.close()

    async def _exchange(self, request: bytes) -> bytes:
        """Empty: the client hears nothing."""
        is_post = request.startswith(b"POST")
        if is_post:
            self.posts.append(request)
        if is_post and self.lose_requests:
            self.lose_requests -= 1
            return b""
        reader, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            writer.write(request)
            answer = await _message(reader)
        finally:
            writer.close()
        if is_post and self.lose_answers:
            self.lose_answers -= 1
            return b""
        return answer


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A head and as many bytes as it announces; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return head + await reader.readexactly(int(length[1]) if length else 0)
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def lossy_road(upstream: str) -> AsyncIterator[LossyRoad]:
    road = LossyRoad(upstream)
    server = await asyncio.start_server(road.carry, "127.0.0.1", 0)
    road.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield road
    finally:
        server.close()
        await server.wait_closed()
