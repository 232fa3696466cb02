"""Bodies, read and unpacked within what all requests together may hold in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from chassis.resilience import BulkheadFullError
from starlette.types import Receive

from metrics_ingest.domain import bodies
from metrics_ingest.domain.bodies import BodyTooLarge
from metrics_ingest.usecases.turns import Memory

# Smaller ones are unpacked on the event loop, and not counted.
_SMALL_BYTES = 2**16
# How many times its length a body may unpack to; zstd knows no bound.
_RATIOS = {"gzip": 1032, "x-gzip": 1032, "deflate": 1032, "snappy": 22}


class Disconnected(Exception):  # noqa: N818 a state
    """The sender left in the middle of its body."""


class BodyLate(Exception):  # noqa: N818
    """408: the body did not come in time."""


class Bodies:
    """What is being read and worked on; whoever comes when it is full is refused at once."""

    def __init__(self, *, total_bytes: int, timeout_s: float) -> None:
        self._left = total_bytes
        self._timeout_s = timeout_s

    @contextlib.asynccontextmanager
    async def read(self, receive: Receive, bytes_max: int) -> AsyncIterator[bytes]:
        """Raises `BodyTooLarge`, `BodyLate`, `BulkheadFullError`, `Disconnected`."""
        held = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout_s) as timer:
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Disconnected
                    chunk = message.get("body", b"")
                    if len(chunk) > self._left:
                        raise BulkheadFullError("bodies")
                    self._left -= len(chunk)
                    held += len(chunk)
                    if held > bytes_max:
                        raise BodyTooLarge(bytes_max)
                    chunks.append(chunk)
                    more = message.get("more_body", False)
            body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            yield body
        except TimeoutError as error:
            if timer.expired():
                raise BodyLate("the body did not come in time") from error
            raise
        finally:
            self._left += held


class Unpacking:
    """Raises `BodyTooLarge`, `BodyMalformed`, `EncodingUnknown`, `BulkheadFullError`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @contextlib.asynccontextmanager
    async def unpacked(self, body: bytes, encoding: str, bytes_max: int) -> AsyncIterator[bytes]:
        """Unpacking holds what the body may come to, the work on it what it came to."""
        encoding = encoding.strip().lower()
        if encoding in {"", "identity"}:
            if len(body) > bytes_max:
                raise BodyTooLarge(bytes_max)
            yield body
            return
        worst = min(bytes_max, len(body) * _RATIOS.get(encoding, bytes_max))
        if worst <= _SMALL_BYTES:
            yield bodies.decode(body, encoding, bytes_max)
            return
        async with self._memory.hold(worst):
            plain = await asyncio.to_thread(bodies.decode, body, encoding, bytes_max)
        if len(plain) <= _SMALL_BYTES:
            yield plain
            return
        async with self._memory.hold(len(plain)):
            yield plain
