"""The application factory: a FastAPI app behind the layers that every service has."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, StatusCode
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs, metrics, problems, telemetry
from chassis.health import Health
from chassis.resilience import AdaptiveLimit, DeadlineMiddleware, LoadShedder, Priority, by_method
from chassis.settings import ChassisSettings
from chassis.telemetry import Head, Telemetry

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Layer = Callable[[ASGIApp], ASGIApp]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "unmatched"


def create_app(
    settings: ChassisSettings,
    *,
    title: str,
    version: str,
    description: str = "",
    lifespan: Lifespan | None = None,
    health: Health | None = None,
    wrap: Layer | None = None,
    body_bytes_max_by_path: Mapping[str, int] | None = None,
    classify: Callable[[Scope], Priority] = by_method,
) -> FastAPI:
    """Configures logs and traces of this process; `app.state` has settings, health, telemetry.

    `wrap` puts an ASGI callable before all layers (a hot path that does its own telemetry): it is called
    once, before start-up, and must pass on what it does not answer, the lifespan included.
    `body_bytes_max_by_path` raises or lowers the body limit of exact paths. `classify` says who is refused
    first under load.
    """
    logs.setup(settings)
    traces = telemetry.setup(settings)
    health = health or Health()

    def layers(app: ASGIApp) -> ASGIApp:
        """Innermost first."""
        app = _shedder(app, settings, classify)
        app = DeadlineMiddleware(app, timeout_s=settings.request_timeout_s)
        app = BodyGuard(app, bytes_max=settings.body_bytes_max, by_path=body_bytes_max_by_path)
        app = Edge(app, traces, access_log=settings.access_log)
        app = wrap(app) if wrap is not None else app
        return Probes(app, health)

    app = ServiceApp(
        layers,
        title=title,
        version=version,
        description=description,
        lifespan=_lifespan(lifespan, health, traces),
        redirect_slashes=False,
        redoc_url=None,
        # Newer FastAPI versions trace by themselves as soon as a provider is set: the edge does it here.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings, app.state.health, app.state.telemetry = settings, health, traces
    problems.install(app)
    return app


def _shedder(app: ASGIApp, settings: ChassisSettings, classify: Callable[[Scope], Priority]) -> LoadShedder:
    limit = AdaptiveLimit("http", limit_min=settings.inflight_min, limit_max=settings.inflight_max)
    return LoadShedder(
        app,
        limit=limit,
        queue_max=settings.shed_queue_max,
        queue_timeout_s=settings.shed_queue_timeout_s,
        overload_timeout_s=settings.shed_overload_timeout_s,
        retry_after_s=settings.shed_retry_after_s,
        classify=classify,
    )


def _lifespan(service: Lifespan | None, health: Health, traces: Telemetry) -> Lifespan:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        lag = asyncio.create_task(metrics.watch_loop_lag())
        try:
            async with service(app) if service is not None else _nothing():
                health.ready = True
                yield
                health.ready = False
        finally:
            health.ready = False
            lag.cancel()
            with suppress(asyncio.CancelledError):
                await lag
            await asyncio.to_thread(traces.shutdown)
            logs.flush()

    return run


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


class ServiceApp(FastAPI):
    """FastAPI with our layers outside its own, and its OpenAPI document telling of problems."""

    def __init__(self, layers: Layer, **options: Any) -> None:
        super().__init__(**options)
        self._layers = layers

    def build_middleware_stack(self) -> ASGIApp:
        return self._layers(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            _describe_problems(super().openapi())
        return super().openapi()


def _describe_problems(document: dict[str, Any]) -> None:
    """Puts the problem schema in place of the framework's own error models."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = problems.SCHEMA
    validation = problems.problem_responses(problems.ValidationFailed)[422]
    anything = {
        "description": "Any other problem",
        "content": {problems.MEDIA_TYPE: {"schema": problems.SCHEMA_REF}},
    }
    for path in document.get("paths", {}).values():
        for operation in path.values():
            responses = operation.get("responses", {})
            content = responses.get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content.get("application/json", "")):
                responses["422"] = validation
            responses.setdefault("default", anything)


class Probes:
    """Health and metrics, answered before anything else: no log, no span, never shed."""

    def __init__(self, app: ASGIApp, health: Health | None) -> None:
        self._app = app
        health = health or Health()
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


def request_id_of(value: bytes | None) -> str:
    """The caller's request id when it is harmless, else a new UUID4."""
    if value is not None and _REQUEST_ID.fullmatch(value):
        return value.decode("ascii")
    raw = os.urandom(16).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{'89ab'[int(raw[16], 16) & 3]}{raw[17:20]}-{raw[20:]}"


class Edge:
    """Request id, span, metrics and access log of every request."""

    def __init__(self, app: ASGIApp, traces: Telemetry, *, access_log: str = "all") -> None:
        self._app = app
        self._traces = traces
        self._log_all = access_log == "all"
        self._log_sampled = access_log != "errors"
        self._timings: dict[tuple[str, str], metrics.HttpTimings] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value
            elif name == b"traceparent":
                traceparent = value
        exchange = _Exchange(send, request_id_of(request_id), self._traces.head(traceparent))
        span = self._traces.start_span(exchange.head, scope["method"]) if exchange.head.sampled else None
        context = logs.request_context.set(
            logs.RequestContext(exchange.request_id, exchange.head.trace_id_hex)
        )
        current = span or NonRecordingSpan(exchange.head.unsampled_context())
        attached = otel_context.attach(trace.set_span_in_context(current))
        metrics.HTTP_ACTIVE.inc()
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            metrics.HTTP_ACTIVE.dec()
            otel_context.detach(attached)
            logs.request_context.reset(context)
            self._finish(scope, exchange, span)

    def _finish(self, scope: Scope, exchange: "_Exchange", span: Span | None) -> None:
        elapsed_s = time.perf_counter() - exchange.started
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = route_of(scope)
        timings = self._timings.get((method, route))
        if timings is None:
            timings = self._timings[method, route] = metrics.HttpTimings(method, route)
        timings.observe(exchange.status, elapsed_s, exchange.head.exemplar())
        if span is not None:
            _end_span(span, scope, route, exchange.status)
        failed = exchange.status >= 500  # noqa: PLR2004 server errors
        if self._log_all or failed or (self._log_sampled and exchange.head.sampled):
            logs.line(
                "error" if failed else "info",
                "http.served",
                trace_id=exchange.head.trace_id_hex,
                request_id=exchange.request_id,
                method=method,
                route=route,
                status=exchange.status,
                duration_ms=round(elapsed_s * 1000, 3),
            )


class _Exchange:
    """One request on its way through the edge; the status is 500 until an answer starts."""

    __slots__ = ("_send", "head", "request_id", "started", "status")

    def __init__(self, send: Send, request_id: str, head: Head) -> None:
        self._send = send
        self.request_id = request_id
        self.head = head
        self.started = time.perf_counter()
        self.status = 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode("ascii")),
            ]
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The template of the matched route: a bounded label, never the path itself."""
    route = scope.get("route")
    return getattr(route, "path", _NO_ROUTE)


def _end_span(span: Span, scope: Scope, route: str, status: int) -> None:
    span.update_name(f"{scope['method']} {route}")
    span.set_attributes(
        {
            "http.request.method": scope["method"],
            "http.route": route,
            "url.path": scope["path"],
            "http.response.status_code": status,
        },
    )
    if status >= 500:  # noqa: PLR2004 server errors
        span.set_status(StatusCode.ERROR)
    span.end()


class BodyGuard:
    """Refuses bodies above the limit, by Content-Length or while they come in, and NUL in the address."""

    def __init__(self, app: ASGIApp, *, bytes_max: int, by_path: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._by_path = dict(by_path or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
            await problems.send_problem(send, problems.BadRequest("The address holds a NUL character."))
            return
        bytes_max = self._by_path.get(scope["path"], self._bytes_max)
        length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        if length is None:
            receive = _counted(receive, bytes_max)
        elif not length.isdigit() or int(length) > bytes_max:
            await problems.send_problem(send, problems.BodyTooLarge(f"At most {bytes_max} bytes."))
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
