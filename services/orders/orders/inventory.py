"""Inventory's client: timeout and deadline on every call, a breaker, a bulkhead, one retry on a budget.

Every request may be repeated: reads, an absolute stock, and a receipt under its Idempotency-Key.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from chassis import metrics
from chassis.logs import get_logger
from chassis.problems import DeadlineExceeded
from chassis.resilience import (
    Breaker,
    BreakerOpenError,
    Bulkhead,
    BulkheadFullError,
    RetryBudget,
    deadline,
)
from chassis.telemetry import current_traceparent
from opentelemetry import trace

from orders.domain.stock import Stock
from orders.problems import (
    IdempotencyInFlight,
    IdempotencyMismatch,
    InventoryUnavailable,
    ProductNotFound,
    StockBelowReserved,
)
from orders.settings import OrdersSettings

_CALLS = metrics.counter("orders_inventory_calls_total", "Calls to inventory.", ("operation", "outcome"))
_log = get_logger(__name__)
_tracer = trace.get_tracer(__name__)

T = TypeVar("T")

NAME: Final = "inventory"
RETRY_AFTER: Final = {"Retry-After": "1"}
_OK: Final = 200
_SERVER_ERROR: Final = 500
# What inventory says that is the client's own affair.
_PASSED_ON: Final = {
    kind.code: kind for kind in (StockBelowReserved, IdempotencyInFlight, IdempotencyMismatch)
}
_UNKNOWN_STOCK: Final = 404


class _Level(msgspec.Struct):
    sku: str
    available: int
    reserved: int
    sold: int
    stock: int
    version: int

    def stock_of(self) -> Stock:
        return Stock(self.available, self.reserved, self.sold, self.stock, self.version)


class _Levels(msgspec.Struct):
    items: list[_Level]


class _Refusal(msgspec.Struct):
    code: str = "unknown"
    detail: str | None = None


class _Answer(msgspec.Struct):
    status: int
    body: bytes
    replayed: bool


class _Undecided(Exception):  # noqa: N818 a state of the call
    """No answer, or none that decides anything: it may be asked again."""


class Inventory:
    """One a process. What it cannot get an answer for is InventoryUnavailable."""

    def __init__(self, settings: OrdersSettings, client: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._client = client
        self._url = settings.inventory_url.rstrip("/")
        self._breaker = Breaker(
            NAME,
            calls_min=settings.inventory_breaker_calls_min,
            open_s=settings.inventory_breaker_open_s,
            open_max_s=settings.inventory_breaker_open_max_s,
        )
        self._bulkhead = Bulkhead(
            NAME,
            calls_max=settings.inventory_calls_max,
            queue_max=settings.inventory_queue_max,
            queue_timeout_s=settings.inventory_queue_timeout_s,
        )
        self._budget = RetryBudget()

    async def put_stock(self, tenant_id: str, sku: str, stock: int) -> Stock:
        """Set what is on the shelf. Raises StockBelowReserved, InventoryUnavailable."""
        answer = await self._ask("put_stock", "PUT", _stock_path(tenant_id, sku), {"stock": stock})
        return _decoded(answer, _Level).stock_of()

    async def receive(self, tenant_id: str, sku: str, quantity: int, key: str) -> tuple[Stock, bool]:
        """Add to the shelf, once a key; give the stock of that moment, and whether it was given before.

        Raises ProductNotFound, IdempotencyInFlight, IdempotencyMismatch, InventoryUnavailable.
        """
        path = f"{_stock_path(tenant_id, sku)}/receipts"
        answer = await self._ask("receive", "POST", path, {"quantity": quantity}, {"Idempotency-Key": key})
        return _decoded(answer, _Level).stock_of(), answer.replayed

    async def levels(self, tenant_id: str, skus: Sequence[str]) -> dict[str, Stock]:
        """By SKU; what inventory never heard of is left out. Raises InventoryUnavailable."""
        if not skus:
            return {}
        query = "&".join(f"sku={quote(sku, safe='')}" for sku in skus)
        answer = await self._ask("levels", "GET", f"/v1/tenants/{quote(tenant_id, safe='')}/stock?{query}")
        return {level.sku: level.stock_of() for level in _decoded(answer, _Levels).items}

    async def read(self, path: str) -> bytes:
        """Any other document of inventory's, for the reconcile check. Raises InventoryUnavailable."""
        return (await self._ask("read", "GET", path)).body

    async def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        """Up to two attempts. Raises what inventory's refusal means, and InventoryUnavailable."""
        self._budget.deposit()
        for last in (False, True):
            try:
                answer = await self._attempt(method, path, body, headers or {})
            except (BreakerOpenError, BulkheadFullError) as error:
                _CALLS.labels(operation, "rejected").inc()
                raise InventoryUnavailable(headers=RETRY_AFTER) from error
            except _Undecided as error:
                _CALLS.labels(operation, "failed").inc()
                if last or not self._may_retry():
                    _log.info("inventory.unavailable", operation=operation, error=str(error))
                    raise InventoryUnavailable(headers=RETRY_AFTER) from error
            else:
                _CALLS.labels(operation, "ok" if answer.status == _OK else "refused").inc()
                return answer if answer.status == _OK else _refused(answer)
            await asyncio.sleep(random.uniform(0.0, self._settings.inventory_retry_pause_s))  # noqa: S311 jitter
        raise AssertionError("the second attempt is the last")

    def _may_retry(self) -> bool:
        left = deadline.current()
        enough = left is None or left.remaining() > self._settings.inventory_timeout_s
        return enough and self._budget.withdraw()

    async def _attempt(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> _Answer:
        """Raises BreakerOpenError, BulkheadFullError, _Undecided."""
        async with self._bulkhead.slot():
            with self._breaker.guard(_Undecided):
                try:
                    answer = await self._send(method, path, body, headers)
                except (aiohttp.ClientError, OSError, DeadlineExceeded) as error:
                    raise _Undecided(type(error).__name__) from error
                if answer.status >= _SERVER_ERROR:
                    raise _Undecided(f"http_{answer.status}")
                return answer

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> _Answer:
        timeout_s = deadline.time_left(self._settings.inventory_timeout_s)
        with _tracer.start_as_current_span(f"inventory {method}", kind=trace.SpanKind.CLIENT) as span:
            with deadline.Deadline.after(timeout_s).use():
                sent = {**headers, **deadline.headers(), **_trace_headers()}
            sending = self._client.request(
                method,
                self._url + path,
                data=None if body is None else msgspec.json.encode(body),
                headers=sent,
                allow_redirects=False,
            )
            async with asyncio.timeout(timeout_s), sending as answer:
                content = await answer.read()
            span.set_attribute("http.response.status_code", answer.status)
        return _Answer(answer.status, content, answer.headers.get("Idempotent-Replayed") == "true")


@asynccontextmanager
async def inventory_of(settings: OrdersSettings) -> AsyncIterator[Inventory]:
    """The client for the life of a process."""
    key = settings.inventory_api_key
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.inventory_calls_max, keepalive_timeout=settings.inventory_keepalive_s
        ),
        # Each call brings its own, from its deadline.
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Authorization": "Bearer " + (key.get_secret_value() if key is not None else ""),
            "Content-Type": "application/json",
            "User-Agent": f"{settings.service_name}/{settings.service_version}",
        },
    )
    async with session:
        yield Inventory(settings, session)


def _stock_path(tenant_id: str, sku: str) -> str:
    return f"/v1/tenants/{quote(tenant_id, safe='')}/stock/{quote(sku, safe='')}"


def _decoded(answer: _Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        raise InventoryUnavailable(headers=RETRY_AFTER) from error


def _refused(answer: _Answer) -> NoReturn:
    """Raises what the refusal means; one that only a bug of ours explains is logged and an outage."""
    try:
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
    except msgspec.DecodeError:
        refusal = _Refusal()
    passed_on = _PASSED_ON.get(refusal.code)
    if passed_on is not None:
        raise passed_on(refusal.detail)
    if answer.status == _UNKNOWN_STOCK:
        raise ProductNotFound
    _log.error("inventory.refused", status=answer.status, code=refusal.code)
    raise InventoryUnavailable(headers=RETRY_AFTER)


def _trace_headers() -> Mapping[str, str]:
    traceparent = current_traceparent()
    return {} if traceparent is None else {"traceparent": traceparent}
