"""Questions of a tenant to the store: only what Prometheus knows is asked, and only of the tenant's series.

QueryFailed, in Prometheus' words
+-- 400 bad_data      a parameter, a selector, a position, an expression that is wrong in itself
+-- 422 execution     an expression that fails on these series, an answer that is too large
+-- 503 timeout       the caller's own time is over
+-- 503 unavailable   the store or Postgres is away or slow, too much is asked at once, a position not reached
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote
from weakref import WeakValueDictionary

from chassis.postgres import PASSING
from chassis.resilience.bulkhead import Bulkhead, BulkheadFullError

from metrics_ingest.domain import positions, questions, replies
from metrics_ingest.domain.positions import PositionInvalid
from metrics_ingest.domain.questions import BadParameter, Limits, Parameters
from metrics_ingest.domain.replies import ReplyUnreadable
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.inquiry import AnswerTooLarge
from metrics_ingest.usecases.reached import NotReached, Reached
from metrics_ingest.victoria import StoreAway

BAD_DATA: Final = "bad_data"
EXECUTION: Final = "execution"
TIMEOUT: Final = "timeout"
UNAVAILABLE: Final = "unavailable"
# Senders' clocks may be ahead by the future limit.
_AHEAD_MS: Final = 900_000
# What the store may list beyond a limit: the hidden label, and one more that tells that there are more.
_SPARE: Final = 2
_RETRY: Final = {"Retry-After": "1"}

Form = list[tuple[str, str]]


class QueryFailed(Exception):  # noqa: N818 an answer of the protocol
    """`kind` is Prometheus' errorType."""

    def __init__(self, status: int, kind: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.kind = kind
        self.headers = _RETRY if status == HTTPStatus.SERVICE_UNAVAILABLE else {}

    @property
    def body(self) -> bytes:
        return replies.failure(self.kind, str(self))


class Store(Protocol):
    async def ask(
        self, path: str, form: Sequence[tuple[str, str]], *, timeout_s: float, bytes_max: int
    ) -> tuple[int, bytes]:
        """Status and body of a POST. Raises `StoreAway`, `AnswerTooLarge`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question on its way, and until when (by the loop's clock)."""

    tenant: Tenant
    until: float

    @property
    def left_s(self) -> float:
        return max(self.until - asyncio.get_running_loop().time(), 0.001)


class Queries:
    """One a process."""

    def __init__(
        self,
        store: Store,
        reached: Reached,
        limits: Limits,
        *,
        answer_bytes_max: int = 16 * 2**20,
        calls_max: int = 8,
        queue_max: int = 200,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._reached = reached
        self._limits = limits
        self._answer_bytes_max = answer_bytes_max
        self._clock = clock
        self._slots = self._bulkhead(calls_max, queue_max)
        # Half of it is the most that one tenant has; kept while it asks.
        self._share = partial(self._bulkhead, max(calls_max // 2, 1), queue_max // 2)
        self._shares: WeakValueDictionary[str, Bulkhead] = WeakValueDictionary()

    def _bulkhead(self, calls_max: int, queue_max: int) -> Bulkhead:
        wait_s = self._limits.timeout_s / 2
        return Bulkhead("metrics-queries", calls_max=calls_max, queue_max=queue_max, queue_timeout_s=wait_s)

    async def instant(self, tenant: Tenant, parameters: Parameters) -> bytes:
        async with self._asking(tenant, parameters) as asked:
            found = questions.instant(parameters, self._limits, self._now_ms())
            form = [("query", found.query), ("time", questions.seconds(found.at_ms))]
            body = await self._evaluate(asked, "/api/v1/query", form)
            if questions.is_scalar(found.query):
                return replies.scalar(body, found.at_ms)
            return await _shown(body)

    async def over_range(self, tenant: Tenant, parameters: Parameters) -> bytes:
        async with self._asking(tenant, parameters) as asked:
            found = questions.range_of(parameters, self._limits)
            form = [
                ("query", found.query),
                ("start", questions.seconds(found.start_ms)),
                ("end", questions.seconds(found.end_ms)),
                ("step", questions.seconds(found.step_ms)),
            ]
            return await _shown(await self._evaluate(asked, "/api/v1/query_range", form))

    async def series(self, tenant: Tenant, parameters: Parameters) -> bytes:
        async with self._asking(tenant, parameters) as asked:
            limit, form = self._matching(parameters, needed=True)
            return replies.label_sets(await self._select(asked, "/api/v1/series", form), limit)

    async def label_names(self, tenant: Tenant, parameters: Parameters) -> bytes:
        async with self._asking(tenant, parameters) as asked:
            limit, form = self._matching(parameters)
            return replies.label_names(await self._select(asked, "/api/v1/labels", form), limit)

    async def label_values(self, tenant: Tenant, parameters: Parameters, name: str) -> bytes:
        async with self._asking(tenant, parameters) as asked:
            limit, form = self._matching(parameters)
            if questions.label_name(name) == replies.HIDDEN:
                return replies.success([])
            path = f"/api/v1/label/{quote(name, safe='')}/values"
            return replies.label_values(await self._select(asked, path, form), limit)

    def _matching(self, parameters: Parameters, *, needed: bool = False) -> tuple[int, Form]:
        limits = self._limits
        latest_ms = self._now_ms() + _AHEAD_MS
        found = questions.matching(parameters, limits, latest_ms=latest_ms, needed=needed)
        limit = min(found.limit or limits.series_max, limits.series_max)
        form = [("match[]", match) for match in found.matches]
        form += [
            ("start", questions.seconds(found.start_ms)),
            ("end", questions.seconds(found.end_ms)),
            ("limit", str(limit + _SPARE)),
        ]
        return limit, form

    @asynccontextmanager
    async def _asking(self, tenant: Tenant, parameters: Parameters) -> AsyncIterator[Asked]:
        """What was written before, a slot, and what went wrong in Prometheus' words."""
        timeout_s = self._limits.timeout_s
        try:
            timeout_s = questions.timeout_s(parameters, self._limits)
            until = asyncio.get_running_loop().time() + timeout_s
            async with asyncio.timeout_at(until):
                await self._wait(_position(parameters))
                share = self._shares.setdefault(tenant.id, self._share())
                async with share.slot(), self._slots.slot():
                    yield Asked(tenant, until)
        except BadParameter as error:
            raise QueryFailed(HTTPStatus.BAD_REQUEST, BAD_DATA, str(error)) from error
        except AnswerTooLarge as error:
            text = f"the answer is larger than {self._answer_bytes_max} bytes: ask for less"
            raise QueryFailed(HTTPStatus.UNPROCESSABLE_ENTITY, EXECUTION, text) from error
        except TimeoutError as error:
            kind = TIMEOUT if timeout_s < self._limits.timeout_s else UNAVAILABLE
            raise _unavailable("query timed out", kind) from error
        except NotReached as error:
            raise _unavailable("the points of min_position are not stored yet") from error
        except (StoreAway, ReplyUnreadable, BulkheadFullError) as error:
            raise _unavailable("the store of the points cannot answer now") from error
        except PASSING as error:
            raise _unavailable("positions cannot be read now") from error

    async def _wait(self, position: Mapping[int, int]) -> None:
        if position:
            until = asyncio.get_running_loop().time() + self._limits.position_wait_s
            await self._reached.wait(position, until)

    async def _evaluate(self, asked: Asked, path: str, form: Form) -> bytes:
        """Of an expression. The store refuses alike what Prometheus tells apart: wrong, and failed."""
        status, body = await self._ask(asked, path, form, questions.tenant_filter(asked.tenant.id))
        if status == HTTPStatus.OK:
            return body
        # What fails without any series is wrong in itself.
        alone = [("query", dict(form)["query"]), ("time", questions.seconds(self._now_ms()))]
        status, _ = await self._ask(asked, "/api/v1/query", alone, questions.NO_SERIES)
        text = replies.error_text(body)
        if status == HTTPStatus.OK:
            raise QueryFailed(HTTPStatus.UNPROCESSABLE_ENTITY, EXECUTION, text)
        raise QueryFailed(HTTPStatus.BAD_REQUEST, BAD_DATA, f'invalid parameter "query": {text}')

    async def _select(self, asked: Asked, path: str, form: Form) -> bytes:
        """Of selectors."""
        status, body = await self._ask(asked, path, form, questions.tenant_filter(asked.tenant.id))
        if status == HTTPStatus.OK:
            return body
        text = f'invalid parameter "match[]": {replies.error_text(body)}'
        raise QueryFailed(HTTPStatus.BAD_REQUEST, BAD_DATA, text)

    async def _ask(self, asked: Asked, path: str, form: Form, only: str) -> tuple[int, bytes]:
        """`only` these series; a second such filter would be an alternative to it."""
        left_s = asked.left_s
        # Cached results know nothing of late points, and are moved to multiples of the step.
        forced = [("extra_filters[]", only), ("nocache", "1"), ("timeout", f"{left_s:.3f}")]
        status, body = await self._store.ask(
            path, form + forced, timeout_s=left_s, bytes_max=self._answer_bytes_max
        )
        if status != HTTPStatus.OK and "timeout exceeded" in replies.error_text(body):
            raise TimeoutError
        return status, body

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _unavailable(error: str, kind: str = UNAVAILABLE) -> QueryFailed:
    return QueryFailed(HTTPStatus.SERVICE_UNAVAILABLE, kind, error)


async def _shown(body: bytes) -> bytes:
    """Piece by piece, so that a large answer holds nobody up."""
    shown = bytearray()
    for piece in replies.pieces(body):
        shown += replies.unlabelled(piece)
        await asyncio.sleep(0)
    return bytes(shown)


def _position(parameters: Parameters) -> Mapping[int, int]:
    """Of the last write that the caller wants to read; raises `BadParameter`."""
    found = parameters.get("min_position")
    if not found:
        return {}
    try:
        return positions.parse(found[0])
    except PositionInvalid as error:
        raise BadParameter(f'invalid parameter "min_position": {error}') from error
