"""Tracking links: the shortener makes one an order, whatever is repeated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec
from chassis.metrics import counter
from chassis.resilience import deadline
from chassis.retry import HandlerError, Permanent, Transient
from chassis.telemetry import current_traceparent
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from notifications.farend import FarEnd
from notifications.settings import NotificationsSettings

_LINKS = counter("notifications_links_total", "Tracking links asked of the shortener.", ("outcome",))
_tracer = trace.get_tracer(__name__)

_CREATED: Final = 201
_SERVER_ERROR: Final = 500
# In flight under this very key, or over a limit: later it may be different.
_PASSING: Final = frozenset({408, 409, 425, 429})
_EXCERPT_CHARS_MAX: Final = 200


class _Link(msgspec.Struct):
    short_url: str


class Links:
    """Without a key of the shortener an address stays as long as it is."""

    def __init__(self, settings: NotificationsSettings, client: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._client = client
        self._url = settings.shortener_url.rstrip("/") + "/v1/links"
        self._far_end = FarEnd(
            "shortener",
            settings,
            calls_max=settings.shortener_calls_max,
            queue_timeout_s=settings.shortener_timeout_s,
        )

    def long_url(self, order_id: str) -> str | None:
        template = self._settings.tracking_url
        return None if template is None else template.format(order_id=quote(order_id, safe=""))

    async def shorten(self, url: str, order_id: str) -> str:
        """The same link for the same order, also after a lost answer. Raises Transient and Permanent."""
        if self._settings.shortener_api_key is None:
            return url
        try:
            async with self._far_end.call():
                short_url = await self._create(url, order_id)
        except HandlerError as error:
            _LINKS.labels("refused" if isinstance(error, Permanent) else "failed").inc()
            raise
        _LINKS.labels("created").inc()
        return short_url

    async def _create(self, url: str, order_id: str) -> str:
        timeout_s = self._settings.shortener_timeout_s
        body = msgspec.json.encode({"url": url, "tags": ["tracking"]})
        with _tracer.start_as_current_span("shortener create link", kind=SpanKind.CLIENT) as span:
            with deadline.Deadline.after(timeout_s).use():
                headers = {"Idempotency-Key": f"tracking:{quote(order_id)}", **deadline.headers(), **_trace()}
            try:
                async with (
                    asyncio.timeout(timeout_s),
                    self._client.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
                ):
                    content = await answer.read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise Transient(f"the shortener: {type(error).__name__}") from error
            span.set_attribute("http.response.status_code", answer.status)
        return _short_url_of(answer.status, content)


def _short_url_of(status: int, content: bytes) -> str:
    if status >= _SERVER_ERROR or status in _PASSING:
        raise Transient(f"the shortener answered {status}")
    if status != _CREATED:
        excerpt = content[:_EXCERPT_CHARS_MAX].decode("utf-8", "replace")
        raise Permanent(f"the shortener refused with {status}: {excerpt}")
    try:
        return msgspec.json.decode(content, type=_Link).short_url
    except msgspec.MsgspecError as error:
        raise Transient(f"the shortener's answer makes no sense: {error}") from error


def _trace() -> dict[str, str]:
    traceparent = current_traceparent()
    return {} if traceparent is None else {"traceparent": traceparent}


@asynccontextmanager
async def links_of(settings: NotificationsSettings) -> AsyncIterator[Links]:
    key = settings.shortener_api_key
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.shortener_calls_max),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Authorization": "Bearer " + (key.get_secret_value() if key is not None else ""),
            "Content-Type": "application/json",
            "User-Agent": f"{settings.service_name}/{settings.service_version}",
        },
    )
    async with session:
        yield Links(settings, session)
