"""The application factory: a FastAPI app behind the layers that every service has."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Scope

from chassis import logs, metrics, problems, telemetry
from chassis.edge import BodyGuard, Edge, Probes, Recorder
from chassis.envelope import Refuse, guarded, refuse
from chassis.health import Health
from chassis.resilience import AdaptiveLimit, DeadlineMiddleware, LoadShedder, Priority, by_method
from chassis.settings import ChassisSettings
from chassis.telemetry import Telemetry

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Layer = Callable[[ASGIApp], ASGIApp]
Describe = Callable[[dict[str, Any]], None]


def create_app(
    settings: ChassisSettings,
    *,
    title: str,
    version: str,
    description: str = "",
    lifespan: Lifespan | None = None,
    health: Health | None = None,
    body_bytes_max_by_path: Mapping[str, int] | None = None,
    classify: Callable[[Scope], Priority] = by_method,
    inner: Layer | None = None,
    refuse: Refuse = refuse,
    describe: Describe | None = None,
) -> FastAPI:
    """Configures logs and traces of this process; `app.state` has settings, health, telemetry, recorder.

    `body_bytes_max_by_path` raises or lowers the body limit of exact paths. `classify` says who is refused
    first under load. `inner` puts an ASGI callable behind all layers and before the framework; it must
    pass on what it does not answer. `refuse` is how the layers answer what they refuse. `describe` adds to
    the OpenAPI document what the framework does not know of.
    """
    logs.setup(settings)
    traces = telemetry.setup(settings)
    health = health or Health()
    recorder = Recorder(traces, access_log=settings.access_log)

    def layers(app: ASGIApp) -> ASGIApp:
        """Innermost first."""
        app = guarded(inner(app), refuse) if inner is not None else app
        app = _shedder(app, settings, classify, refuse)
        app = DeadlineMiddleware(app, timeout_s=settings.request_timeout_s, refuse=refuse)
        app = BodyGuard(app, bytes_max=settings.body_bytes_max, by_path=body_bytes_max_by_path, refuse=refuse)
        app = Edge(app, recorder)
        return Probes(app, health)

    app = ServiceApp(
        layers,
        describe,
        title=title,
        version=version,
        description=description,
        lifespan=_lifespan(lifespan, health, traces),
        redirect_slashes=False,
        redoc_url=None,
        # Newer FastAPI versions trace by themselves as soon as a provider is set: the edge does it here.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings, app.state.health = settings, health
    app.state.telemetry, app.state.recorder = traces, recorder
    problems.install(app)
    return app


def _shedder(
    app: ASGIApp, settings: ChassisSettings, classify: Callable[[Scope], Priority], refuse: Refuse
) -> LoadShedder:
    limit = AdaptiveLimit("http", limit_min=settings.inflight_min, limit_max=settings.inflight_max)
    return LoadShedder(
        app,
        limit=limit,
        queue_max=settings.shed_queue_max,
        queue_timeout_s=settings.shed_queue_timeout_s,
        overload_timeout_s=settings.shed_overload_timeout_s,
        retry_after_s=settings.shed_retry_after_s,
        classify=classify,
        refuse=refuse,
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

    def __init__(self, layers: Layer, describe: Describe | None, **options: Any) -> None:
        super().__init__(**options)
        self._layers, self._describe = layers, describe

    def build_middleware_stack(self) -> ASGIApp:
        return self._layers(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            document = super().openapi()
            _describe_problems(document)
            if self._describe is not None:
                self._describe(document)
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
