"""The demo's client: bounded, on loopback only, every request timed."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from infra.local.demo.visitor import Answer, Visitor
from infra.local.errors import LocalError

T = TypeVar("T")
IN_FLIGHT_MAX = 48
TIMEOUT_S = 15.0
END_TIMEOUT_S = 45.0
POLL_S = 0.1
PERCENTS = (50, 95, 99)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Recorder:
    """Latencies in ms by kind of request, and statuses."""

    def __init__(self) -> None:
        self.latencies: dict[str, list[float]] = defaultdict(list)
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        # How late this client itself was, by the machine's fault or its own; the server had no part in it.
        self.late_ms_max = 0.0

    def note(self, kind: str, status: int, latency_ms: float) -> None:
        self.latencies[kind].append(latency_ms)
        self.statuses[kind][status] += 1

    def percentiles(self, kind: str) -> list[float]:
        """Nearest rank, which needs no distribution and invents no value."""
        found = sorted(self.latencies[kind])
        return [found[max(0, -(-len(found) * percent // 100) - 1)] for percent in PERCENTS]


class Client:
    """One tenant's calls, and people's visits, which carry no key."""

    def __init__(self, http: httpx.AsyncClient, visitor: Visitor, key: str, recorder: Recorder) -> None:
        self._http = http
        self._visitor = visitor
        self._key = key
        self.recorder = recorder

    def as_tenant(self, key: str) -> "Client":
        return Client(self._http, self._visitor, key, self.recorder)

    async def call(
        self, kind: str, method: str, path: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        started = time.monotonic()
        try:
            answer = await self._http.request(method, path, json=json, headers=sent)
        except httpx.HTTPError as error:
            raise _no_answer(f"{method} {path}", error) from error
        self.recorder.note(kind, answer.status_code, (time.monotonic() - started) * 1000)
        return answer

    async def visit(
        self, kind: str, slug: str, *, headers: dict[str, str], meant_at: float | None = None
    ) -> Answer:
        """`meant_at`: on the monotonic clock; a visit that starts late is charged for its wait."""
        started = meant_at or time.monotonic()
        try:
            answer = await self._visitor.get(f"/{slug}", headers)
        except OSError as error:
            raise _no_answer(f"GET /{slug}", error) from error
        self.recorder.note(kind, answer.status_code, (time.monotonic() - started) * 1000)
        return answer


def _no_answer(what: str, error: Exception) -> LocalError:
    hint = "make status, then make logs SERVICE=shortener"
    return LocalError(f"{what} failed: {type(error).__name__} {error}", hint=hint)


def require_loopback(url: str, variable: str) -> None:
    if urlsplit(url).hostname not in _LOOPBACK:
        raise LocalError(f"the demo drives loopback only, not {url}", hint=f"unset {variable}")


@asynccontextmanager
async def connect(base_url: str, key: str, recorder: Recorder) -> AsyncIterator[Client]:
    require_loopback(base_url, "SHORTENER_URL")
    limits = httpx.Limits(max_connections=IN_FLIGHT_MAX, max_keepalive_connections=IN_FLIGHT_MAX)
    visitor = Visitor(base_url)
    try:
        async with httpx.AsyncClient(
            base_url=base_url, timeout=TIMEOUT_S, limits=limits, trust_env=False
        ) as http:
            yield Client(http, visitor, key, recorder)
    finally:
        visitor.close()


async def eventually(
    what: str, look: Callable[[], Awaitable[T | None]], *, hint: str, timeout_s: float = END_TIMEOUT_S
) -> T:
    """The first answer that is not None."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(POLL_S)
    raise LocalError(f"{what} did not come within {timeout_s:.0f} s", hint=hint)


async def together(calls: Iterable[Callable[[], Awaitable[T]]], *, width: int = IN_FLIGHT_MAX) -> list[T]:
    """All of them, at most `width` at once, in the order given."""
    gate = asyncio.Semaphore(width)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await call()

    return await asyncio.gather(*(one(call) for call in calls))


async def on_schedule(
    calls: Iterable[Callable[[float], Awaitable[T]]], recorder: Recorder, *, rate_per_s: float
) -> list[T]:
    """Starts call n at n / rate, whether earlier ones are answered or not, and tells it that moment."""
    gate = asyncio.Semaphore(IN_FLIGHT_MAX)
    begin = time.monotonic()

    async def one(call: Callable[[float], Awaitable[T]], meant_at: float) -> T:
        recorder.late_ms_max = max(recorder.late_ms_max, (time.monotonic() - meant_at) * 1000)
        async with gate:
            return await call(meant_at)

    tasks = []
    for number, call in enumerate(calls):
        meant_at = begin + number / rate_per_s
        await asyncio.sleep(max(0.0, meant_at - time.monotonic()))
        tasks.append(asyncio.create_task(one(call, meant_at)))
    return await asyncio.gather(*tasks)
