"""The client of VictoriaMetrics: a deadline on every call, a breaker for writes and one for everything else.

StoreAway       no answer in time, or one that says "not now": the same again later
StoreRefused    it will never take this body
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from chassis import metrics
from chassis.resilience import Breaker, BreakerOpenError
from chassis.retry import Transient

from metrics_ingest.domain.writer_bounds import WriterBounds

TENANT_LABEL: Final = "signalbox_tenant"
# One writer knocks, and points wait behind it: seldom enough at a call a second.
BREAKER_OPEN_MAX_S: Final = 1.0
ERROR_CHARACTERS_MAX: Final = 500

_REQUESTS = metrics.counter("metrics_writer_store_requests_total", "Writes to the store.", ("outcome",))
_SECONDS = metrics.histogram("metrics_store_request_seconds", "Time of one call to the store.", ("kind",))
_STARTED = re.compile(rb"^process_start_time_seconds (\S+)$", re.MULTILINE)
_WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
# What says that the body itself is at fault.
_REFUSALS = frozenset((400, 413, 422))
_SUCCESSES = range(200, 300)


class StoreAway(Transient):
    """The store does not answer, or cannot just now."""


class StoreRefused(Exception):  # noqa: N818 the field's word
    """The store will never take this."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    date: str


class Victoria:
    """One a process."""

    def __init__(self, url: str, bounds: WriterBounds, client: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._bounds = bounds
        self._client = client
        # A slow query must not stop the writes, nor the other way round.
        self._writes = Breaker("victoriametrics-write", open_max_s=BREAKER_OPEN_MAX_S)
        self._calls = Breaker("victoriametrics", open_max_s=BREAKER_OPEN_MAX_S)

    async def write(self, tenant_id: str, body: bytes) -> None:
        """A snappy block of a remote write 1.0 message, stamped with its tenant.

        Once it returns the points are in the store's memory, and on its disk behind the next snapshot. Raises
        `StoreAway` (some of them may be there all the same) and `StoreRefused` (none is).
        """
        query = urlencode({"extra_label": f"{TENANT_LABEL}={tenant_id}"})
        try:
            answer = await self._send("POST", f"/api/v1/write?{query}", body, self._bounds.write_timeout_s)
        except StoreAway:
            _REQUESTS.labels("away").inc()
            raise
        if answer.status in _REFUSALS:
            _REQUESTS.labels("refused").inc()
            raise StoreRefused(answer.body[:ERROR_CHARACTERS_MAX].decode("utf-8", "replace"))
        _REQUESTS.labels("ok").inc()

    async def started_at(self) -> str:
        """Which process answers, by the second of its start.

        Raises `StoreAway` within that second by its own clock: its successor might have begun in the same one
        and could not be told from it.
        """
        answer = await self._get("/metrics")
        found = _STARTED.search(answer.body)
        if found is None:
            raise StoreAway("it does not say when it started")
        started = found[1].decode()
        try:
            age_s = parsedate_to_datetime(answer.date).timestamp() - float(started)
        except ValueError as error:
            raise StoreAway("it does not say what time it is") from error
        if age_s < 1.0:
            raise StoreAway("it has just started")
        return started

    async def create_snapshot(self) -> str:
        """Everything written before is on disk once it returns; the name, for whoever deletes it."""
        return str((await self._snapshot("/snapshot/create"))["snapshot"])

    async def delete_snapshot(self, name: str) -> None:
        await self._snapshot("/snapshot/delete?" + urlencode({"snapshot": name}))

    async def snapshots(self) -> list[str]:
        """By name, which begins with the time of its making: `20060102150405-...`, UTC."""
        return list(map(str, (await self._snapshot("/snapshot/list"))["snapshots"] or ()))

    async def force_flush(self) -> None:
        """What was written becomes visible to queries, though no safer."""
        await self._get("/internal/force_flush")

    async def query(self, tenant_id: str, expression: str, at_s: float) -> list[dict[str, Any]]:
        """The instant vector of a tenant, past the store's caches."""
        query = {
            "query": expression,
            "time": f"{at_s:.3f}",
            "nocache": "1",
            "extra_label": f"{TENANT_LABEL}={tenant_id}",
        }
        answer = await self._get("/api/v1/query?" + urlencode(query))
        try:
            result: list[dict[str, Any]] = msgspec.json.decode(answer.body)["data"]["result"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise StoreAway("an answer that makes no sense") from error
        return result

    async def _get(self, path: str) -> Answer:
        answer = await self._send("GET", path, None, self._bounds.call_timeout_s)
        if answer.status not in _SUCCESSES:
            raise StoreAway(f"http_{answer.status}")
        return answer

    async def _snapshot(self, path: str) -> Mapping[str, Any]:
        answer = await self._get(path)
        try:
            document: Mapping[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise StoreAway("an answer that makes no sense") from error
        if document.get("status") != "ok":
            raise StoreAway(str(document.get("msg", "no snapshot"))[:ERROR_CHARACTERS_MAX])
        return document

    async def _send(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        is_write = body is not None and path.startswith("/api/v1/write")
        breaker = self._writes if is_write else self._calls
        started = time.perf_counter()
        try:
            with breaker.guard(aiohttp.ClientError, OSError, StoreAway):
                async with asyncio.timeout(timeout_s):
                    return await self._exchange(method, path, body)
        except BreakerOpenError as error:
            raise StoreAway(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreAway(type(error).__name__) from error
        finally:
            _SECONDS.labels("write" if is_write else "read").observe(time.perf_counter() - started)

    async def _exchange(self, method: str, path: str, body: bytes | None) -> Answer:
        headers = _WRITE_HEADERS if path.startswith("/api/v1/write") else None
        sending = self._client.request(
            method, self._url + path, data=body, headers=headers, allow_redirects=False
        )
        async with sending as answer:
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > self._bounds.answer_bytes_max:
                    raise StoreAway("an answer larger than allowed")
        if answer.status not in _SUCCESSES and answer.status not in _REFUSALS:
            raise StoreAway(f"http_{answer.status}")
        return Answer(answer.status, bytes(content), answer.headers.get("Date", ""))


@asynccontextmanager
async def victoria_of(url: str, bounds: WriterBounds, user_agent: str) -> AsyncIterator[Victoria]:
    """The client for the life of a process."""
    calls = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=bounds.calls_max),
        # Each call brings its own.
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": user_agent},
    )
    async with calls:
        yield Victoria(url, bounds, calls)
