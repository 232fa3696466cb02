"""One POST to an address that a stranger named: guarded, bounded in time and size, never redirected."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpcore

from chassis import egress
from chassis.egress import AddressRefused, GuardedBackend, Resolver
from chassis.weburls import NOBODY, PORTS, Allowed, WebUrl

ADDRESS_REFUSED: Final = "address_refused"
# The status decides; a body that trickles gets this long at most.
_EXCERPT_TIMEOUT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: `status` when the receiver answered, else `error` in one word."""

    status: int | None
    error: str | None
    excerpt: str | None
    seconds: float


class Posts:
    """Every attempt resolves the name and connects anew.

    A connection that was kept could be half dead, and its loss would be told as the receiver's refusal.
    """

    def __init__(
        self,
        *,
        connections_max: int,
        connect_timeout_s: float,
        timeout_s: float,
        excerpt_chars_max: int,
        allowed: Allowed = NOBODY,
        resolver: Resolver = egress.resolve,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._excerpt_chars_max = excerpt_chars_max
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=connections_max,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(allowed, resolver),
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.__aexit__(kind, error, trace)

    async def send(self, url: WebUrl, headers: Mapping[str, str], body: bytes) -> Reply:
        """What became of it; a failure to talk is a reply too."""
        started = time.perf_counter()
        status, error, excerpt = None, None, None
        try:
            async with asyncio.timeout(self._timeout_s):
                status, excerpt = await self._send(url, headers, body)
        except _FAILURES as failure:
            error = _word(failure)
        return Reply(status, error, excerpt, time.perf_counter() - started)

    async def _send(self, url: WebUrl, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        connect_s, total_s = self._connect_timeout_s, self._timeout_s
        request = httpcore.Request(
            "POST",
            httpcore.URL(
                scheme=url.scheme.encode(),
                host=url.host.strip("[]").encode(),
                port=url.port or PORTS[url.scheme],
                target=_target(url),
            ),
            headers=[
                ("Host", url.host if url.port is None else f"{url.host}:{url.port}"),
                ("Content-Length", str(len(body))),
                *headers.items(),
            ],
            content=body,
            extensions={
                "timeout": {"connect": connect_s, "read": total_s, "write": total_s, "pool": total_s}
            },
        )
        response = await self._pool.handle_async_request(request)
        try:
            return response.status, await self._excerpt(response)
        finally:
            await response.aclose()

    async def _excerpt(self, response: httpcore.Response) -> str:
        """The beginning of the body, as text; what is not sent in time or breaks off is left out."""
        most = self._excerpt_chars_max
        found = bytearray()
        with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            async with asyncio.timeout(_EXCERPT_TIMEOUT_S):
                async for chunk in response.aiter_stream():
                    found += chunk
                    if len(found) >= most:
                        break
        # Postgres stores no NUL in a text.
        return bytes(found[:most]).decode("utf-8", "replace").replace("\x00", "�")


def _target(url: WebUrl) -> bytes:
    """Path and query; a fragment is never sent."""
    path = url.tail.partition("#")[0]
    return (path if path.startswith("/") else f"/{path}").encode()


_FAILURES: Final = (
    TimeoutError,
    OSError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
)


def _word(error: BaseException) -> str:
    """One of a few words for the log and the metric; the receiver's own text could say anything."""
    match error:
        case AddressRefused():
            return ADDRESS_REFUSED
        case socket.gaierror():
            return "name_not_resolved"
        case TimeoutError() | httpcore.TimeoutException():
            return "timeout"
        # httpcore's pool takes the cause away and leaves the context.
        case httpcore.ConnectError(__context__=OSError() as reason) if not isinstance(reason, ssl.SSLError):
            return "unreachable"
        case httpcore.ConnectError():
            return "tls_failed"
        case _:
            return "connection_lost"
