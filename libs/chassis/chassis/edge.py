"""The layers around every service: probes, telemetry of each request, and the guard of its size."""

import json
import logging
import random
import re
import time
from collections.abc import Mapping
from typing import Final

import msgspec
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, StatusCode
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs, metrics, problems
from chassis.envelope import Refuse, refuse
from chassis.health import Health
from chassis.telemetry import Head, Telemetry

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "unmatched"
_SERVER_ERROR: Final = 500


class Probes:
    """Health and metrics, answered before anything else: no log, no span, never shed."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._routes: dict[str, ASGIApp] = {
            "/healthz": health.healthz,
            "/readyz": health.readyz,
            "/metrics": metrics.exposition,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        probe = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if probe is not None and scope["method"] in {"GET", "HEAD"}:
            await probe(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def request_id_of(value: bytes | None, head: Head) -> str:
    """The caller's request id when it is harmless; else the id of the trace that begins here, as unique.

    Requests of one caller's trace share its id: each gets one of its own.
    """
    if value is not None and _REQUEST_ID.fullmatch(value):
        return value.decode("ascii")
    # uuid.uuid4() takes eight times as long, most of it for a system call; this id keeps no secret.
    return head.trace_id_hex if head.parent is None else f"{random.getrandbits(128):032x}"


def route_of(scope: Scope) -> str:
    """The template of the matched route: a bounded label, never the path itself."""
    # FastAPI keeps the template of a route of an included router, prefixes and all, beside the route.
    whole = scope.get("fastapi", {}).get("effective_route_context")
    template = getattr(whole, "path_format", None) or getattr(scope.get("route"), "path", None)
    return str(template or _NO_ROUTE)


class Exchange(msgspec.Struct, gc=False):
    """One request and its answer: the decision to sample it, its ids, when it began."""

    method: str
    head: Head
    request_id: str
    span: Span | None
    started: float
    headers: Mapping[bytes, bytes]

    @property
    def trace_id(self) -> str:
        return self.head.trace_id_hex

    def context(self) -> logs.RequestContext:
        """For `logs.request_context`, where code below writes logs or raises problems."""
        return logs.RequestContext(self.request_id, self.trace_id)


class Recorder:
    """Metrics, span, exemplar and log line of a request, in one pair of calls.

    The edge uses it for every request. A hot path that stands before the edge uses it by itself:
    `exchange = recorder.begin(method, headers)`, answer, `recorder.end(exchange, "/{slug}", 302)`. A span
    exists only when the request is sampled; `logs.request_context` and the OpenTelemetry context are not set.
    """

    def __init__(self, traces: Telemetry, *, access_log: str = "all") -> None:
        self._traces = traces
        self._head = traces.head
        self._log_all = access_log == "all"
        self._log_sampled = access_log != "errors"
        self._series: dict[tuple[str, str, int], Series] = {}

    def begin(self, method: str, headers: Mapping[bytes, bytes]) -> Exchange:
        """`headers` are the request's, by lower-case name."""
        method = method if method in _METHODS else "OTHER"
        head = self._head(headers.get(b"traceparent"))
        given = headers.get(b"x-request-id")
        return Exchange(
            method,
            head,
            head.trace_id_hex if given is None and head.parent is None else request_id_of(given, head),
            self._traces.start_span(head, method) if head.sampled else None,
            time.perf_counter(),
            headers,
        )

    def end(self, exchange: Exchange, route: str, status: int) -> None:
        self.series(exchange.method, route, status).end(exchange)

    def series(self, method: str, route: str, status: int) -> "Series":
        """To bind once, where the same answer is given often."""
        series = self._series.get((method, route, status))
        if series is None:
            series = self._series[method, route, status] = Series(
                method, route, status, log_all=self._log_all, log_sampled=self._log_sampled
            )
        return series


class Series:
    """What requests of one method, route and status have in common, made once."""

    __slots__ = ("_always_logged", "_labels", "_level", "_members", "_observe", "_sampled_logged")

    def __init__(self, method: str, route: str, status: int, *, log_all: bool, log_sampled: bool) -> None:
        failed = status >= _SERVER_ERROR
        self._observe = metrics.HTTP_SECONDS.labels(method, route, status).observe
        self._labels = (method, route, status)
        self._always_logged, self._sampled_logged = log_all or failed, log_sampled
        self._level = logging.ERROR if failed else logging.INFO
        common = {
            "level": "error" if failed else "info",
            "event": "http.served",
            "method": method,
            "route": route,
            "status": status,
        }
        self._members = json.dumps(common, separators=(",", ":"))[1:-1] + ","

    def end(self, exchange: Exchange) -> None:
        elapsed_s = time.perf_counter() - exchange.started
        if not exchange.head.sampled:
            self._observe(elapsed_s)
            if self._always_logged:
                self._log(exchange, elapsed_s)
            return
        self._observe(elapsed_s, {"trace_id": exchange.trace_id})
        if exchange.span is not None:
            _end_span(exchange.span, *self._labels)
        if self._always_logged or self._sampled_logged:
            self._log(exchange, elapsed_s)

    def _log(self, exchange: Exchange, elapsed_s: float) -> None:
        logs.write_members(
            self._level,
            f'{self._members}"duration_ms":{elapsed_s * 1000:.3f},"trace_id":"{exchange.trace_id}",'
            f'"request_id":"{exchange.request_id}"',
        )


def _end_span(span: Span, method: str, route: str, status: int) -> None:
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= _SERVER_ERROR:
        span.set_status(StatusCode.ERROR)
    span.end()


class Edge:
    """Request id, span, metrics and access log of every request, and the context that code below reads."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = self._recorder.begin(scope["method"], dict(scope["headers"]))
        status = _SERVER_ERROR

        async def sender(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (b"x-request-id", exchange.request_id.encode("ascii"))
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        context = logs.request_context.set(exchange.context())
        span = exchange.span or NonRecordingSpan(exchange.head.unsampled_context())
        attached = otel_context.attach(trace.set_span_in_context(span))
        metrics.HTTP_ACTIVE.inc()
        try:
            await self._app(scope, receive, sender)
        finally:
            metrics.HTTP_ACTIVE.dec()
            otel_context.detach(attached)
            logs.request_context.reset(context)
            self._recorder.end(exchange, route_of(scope), status)


class BodyGuard:
    """Refuses bodies above the limit, by Content-Length or while they come in, and NUL in the address."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        bytes_max: int,
        by_path: Mapping[str, int] | None = None,
        refuse: Refuse = refuse,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._bytes_max = bytes_max
        self._by_path = dict(by_path or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
            await self._refuse(scope, send, problems.BadRequest("The address holds a NUL character."))
            return
        bytes_max = self._by_path.get(scope["path"], self._bytes_max)
        length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        if length is None:
            receive = _counted(receive, bytes_max)
        elif not length.isdigit() or int(length) > bytes_max:
            await self._refuse(scope, send, problems.BodyTooLarge(f"At most {bytes_max} bytes."))
            return
        await self._app(scope, receive, send)


def _counted(receive: Receive, bytes_max: int) -> Receive:
    """For bodies of unknown length; an HTTPException is all the framework lets out of its body reading."""
    left = bytes_max

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"At most {bytes_max} bytes.")
        return message

    return counted
