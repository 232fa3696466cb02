"""The shortener as tutorials build it, piece by piece from their pages; what ours is measured against.

FastAPI with dependencies, two BaseHTTPMiddlewares (request id, access log), the Prometheus instrumentator,
the OpenTelemetry instrumentation of FastAPI as it comes (all requests sampled, batch exporter), redis-py with
its pool, Postgres behind it, a background task that counts clicks; uvloop and httptools under uvicorn.
"""

import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import asyncpg
import redis.asyncio as redis
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.middleware.base import BaseHTTPMiddleware

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool

CACHE_TTL_S = 3600
CallNext = Callable[[Request], Awaitable[Response]]

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
logger = logging.getLogger("shortener")

provider = TracerProvider(resource=Resource.create({"service.name": "template"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=os.environ["TEMPLATE_OTLP_URL"])))
trace.set_tracer_provider(provider)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10)
    yield
    await app.state.redis.aclose()
    await app.state.pool.close()


# FastAPI's own spans stay off: with the instrumentation they would be made twice.
OWN_TELEMETRY_OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
app = FastAPI(title="URL shortener", lifespan=lifespan, telemetry=OWN_TELEMETRY_OFF)


class RequestIdMiddleware(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: CallNext) -> Response:
        request.state.request_id = request.headers.get("X-Request-ID", str(uuid.uuid4()))
        response = await call_next(request)
        response.headers["X-Request-ID"] = request.state.request_id
        return response


class AccessLogMiddleware(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: CallNext) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        taken_ms = (time.perf_counter() - started) * 1000
        logger.info("%s %s %s %.2fms", request.method, request.url.path, response.status_code, taken_ms)
        return response


app.add_middleware(AccessLogMiddleware)
app.add_middleware(RequestIdMiddleware)
Instrumentator().instrument(app).expose(app)
FastAPIInstrumentor.instrument_app(app)


async def get_redis(request: Request) -> redis.Redis:
    client: redis.Redis = request.app.state.redis
    return client


async def get_pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


class LinkService:
    """Cache-aside over the table `links`."""

    def __init__(self, cache: redis.Redis, pool: Pool) -> None:
        self.cache = cache
        self.pool = pool

    async def find(self, slug: str) -> str | None:
        cached = await self.cache.get(f"template:link:{slug}")
        if cached is not None:
            return str(cached)
        url: str | None = await self.pool.fetchval("SELECT url FROM links WHERE slug = $1", slug)
        if url is not None:
            await self.cache.set(f"template:link:{slug}", url, ex=CACHE_TTL_S)
        return url

    async def count_click(self, slug: str) -> None:
        await self.cache.incr(f"template:clicks:{slug}")


# A coroutine, as all dependencies here: plain ones would each go through a thread.
async def get_links(
    cache: Annotated[redis.Redis, Depends(get_redis)], pool: Annotated[Pool, Depends(get_pool)]
) -> LinkService:
    return LinkService(cache, pool)


@app.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/{slug}")
async def follow(
    slug: str, tasks: BackgroundTasks, service: Annotated[LinkService, Depends(get_links)]
) -> RedirectResponse:
    url = await service.find(slug)
    if url is None:
        raise HTTPException(status_code=404, detail="Link not found")
    tasks.add_task(service.count_click, slug)
    return RedirectResponse(url, status_code=302)
