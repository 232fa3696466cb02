"""Bodies, read and unpacked within what all requests together may hold in memory."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable

from starlette.types import Receive

from metrics_ingest.domain import bodies
from metrics_ingest.domain.bodies import BodyTooLarge
from metrics_ingest.usecases.turns import Memory

# A smaller body waits for nobody; how many there are at once is the chassis' to bound.
_WAITS_BYTES = 2**18
# Smaller ones are unpacked on the event loop, and not counted.
_SMALL_BYTES = 2**16
# How many times its length a body's points come to while they are worked on.
_WORK_RATIO = 4
# How many times its length a body may unpack to; zstd knows no bound.
_RATIOS = {"gzip": 1032, "x-gzip": 1032, "deflate": 1032, "snappy": 22}


class BodyLate(Exception):  # noqa: N818 as HTTP says it
    """408: the body did not come in time."""


class Disconnected(BodyLate):
    """The sender left in the middle of its body; nobody hears the answer, but it is counted."""


class Bodies:
    """Large bodies that are being read and worked on wait for each other: together they hold `memory`."""

    def __init__(self, memory: Memory, *, timeout_s: float) -> None:
        self._memory = memory
        self._timeout_s = timeout_s

    @contextlib.asynccontextmanager
    async def read(self, receive: Receive, declared: int | None, bytes_max: int) -> AsyncIterator[bytes]:
        """Raises `BodyTooLarge`, `BodyLate`, `BulkheadFullError`, `Disconnected`."""
        if declared is not None and declared > bytes_max:
            raise BodyTooLarge(bytes_max)
        size = bytes_max if declared is None else declared
        async with contextlib.AsyncExitStack() as held:
            if declared is not None and declared > _WAITS_BYTES:
                await held.enter_async_context(self._memory.hold(size))
            try:
                async with asyncio.timeout(self._timeout_s):
                    head, more = await _read(receive, _WAITS_BYTES if declared is None else size, bytes_max)
            except TimeoutError as error:
                raise BodyLate("the body did not come in time") from error
            if more:
                await held.enter_async_context(self._memory.hold(size))
                try:
                    async with asyncio.timeout(self._timeout_s):
                        rest, _ = await _read(receive, bytes_max, bytes_max - len(head))
                except TimeoutError as error:
                    raise BodyLate("the body did not come in time") from error
                head += rest
            yield head


async def _read(receive: Receive, enough: int, bytes_max: int) -> tuple[bytes, bool]:
    """Up to the end, or until there is more than `enough`: what came, and whether there is more to come."""
    # It grows where it stands, and its value is no copy.
    read = io.BytesIO()
    size, more = 0, True
    while more and size <= enough:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected("the sender left within its body")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise BodyTooLarge(bytes_max)
        read.write(chunk)
        more = message.get("more_body", False)
    return read.getvalue(), more


class Unpacking:
    """Raises `BodyTooLarge`, `BodyMalformed`, `EncodingUnknown`, `BulkheadFullError`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @contextlib.asynccontextmanager
    async def unpacked(
        self, body: bytes, encoding: str, bytes_max: int, weigh: Callable[[bytes], int] = len
    ) -> AsyncIterator[bytes]:
        """Unpacking holds what the body may come to, the work on it what its points come to.

        `weigh`: in bytes, where that is more than the body's length tells.
        """
        encoding = encoding.strip().lower()
        if encoding in {"", "identity"}:
            async with self._working(body, bytes_max, weigh):
                yield body
            return
        worst = min(bytes_max, len(body) * _RATIOS.get(encoding, bytes_max))
        if worst <= _SMALL_BYTES:
            yield bodies.decode(body, encoding, bytes_max)
            return
        async with self._memory.hold(worst) as keep:
            plain = await asyncio.to_thread(bodies.decode, body, encoding, bytes_max)
            size = min(bytes_max, max(_WORK_RATIO * len(plain), weigh(plain)))
            if size <= worst:
                keep(size)
                yield plain
                return
            # Nothing of it is kept while it waits for more than it has.
            del plain
        async with self._memory.hold(size):
            yield await asyncio.to_thread(bodies.decode, body, encoding, bytes_max)

    @contextlib.asynccontextmanager
    async def _working(
        self, body: bytes, bytes_max: int, weigh: Callable[[bytes], int]
    ) -> AsyncIterator[None]:
        if len(body) > bytes_max:
            raise BodyTooLarge(bytes_max)
        async with contextlib.AsyncExitStack() as held:
            if len(body) > _SMALL_BYTES:
                await held.enter_async_context(self._memory.hold(max(_WORK_RATIO * len(body), weigh(body))))
            yield
