"""Questions to VictoriaMetrics, each within its own time and size.

There is no breaker: a slow question is its caller's, and must not close the store to the others.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from metrics_ingest.victoria import StoreAway

# What the store says of the question itself; everything else is of the store.
_ANSWERS: Final = frozenset((HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY))
_CONNECT_TIMEOUT_S: Final = 2.0


class AnswerTooLarge(Exception):  # noqa: N818 as HTTP says it
    """Larger than the caller said it may be; the rest was not read."""


class Inquiry:
    """One a process."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._client = client

    async def ask(
        self, path: str, form: Sequence[tuple[str, str]], *, timeout_s: float, bytes_max: int
    ) -> tuple[int, bytes]:
        """Status (200, 400 or 422) and body; `path` is quoted.

        Raises `StoreAway`, `AnswerTooLarge`, and TimeoutError when the time is over.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.post(
                    self._url + path, data=aiohttp.FormData(form), allow_redirects=False
                ) as answer,
            ):
                if answer.status not in _ANSWERS:
                    raise StoreAway(f"http_{answer.status}")
                return answer.status, await _read(answer.content, bytes_max)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise StoreAway(type(error).__name__) from error


async def _read(content: aiohttp.StreamReader, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise AnswerTooLarge(bytes_max)
    return bytes(body)


@asynccontextmanager
async def inquiry_of(url: str, *, calls_max: int, user_agent: str) -> AsyncIterator[Inquiry]:
    """For the life of a process."""
    calls = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=calls_max),
        timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The store is near: packing a large answer costs both more than sending it.
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
    )
    async with calls:
        yield Inquiry(url, calls)
