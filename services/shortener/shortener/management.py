"""Puts the management API together: main stands the redirect before it, tests call it alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis import auth, problems, ratelimit
from chassis.app import Lifespan, create_app
from chassis.health import Health
from chassis.once import Once
from chassis.postgres import PASSING, Pool
from chassis.ratelimit import LocalLimiter, RateLimiter, RateLimitHeaders
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from shortener import api
from shortener.api.access import Access
from shortener.api.cursors import Cursors
from shortener.domain.codes import Permutation
from shortener.domain.targets import PublicHost
from shortener.problems import DatabaseAway, IdempotencyInFlight, IdempotencyMismatch
from shortener.settings import ShortenerSettings
from shortener.usecases.codes import CodeSource
from shortener.usecases.resources import Publisher, Resources, Tenant
from shortener.usecases.tenants import find_tenant

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
Short links: create them one by one or by the thousand, send people on by device, language and time, and count
the clicks.

Every error is a problem document (RFC 9457) with a stable `code`. Every answer tells what is left of the
caller's rate (`RateLimit`). A create with an `Idempotency-Key` has one effect and one answer, however often
it is sent.
"""


def create_management(
    settings: ShortenerSettings,
    *,
    lifespan: Lifespan,
    health: Health | None = None,
) -> FastAPI:
    """The app; its lifespan must enter `managed` before the first request."""
    app = create_app(
        settings,
        title="Shortener",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
        body_bytes_max_by_path={
            "/v1/links/bulk": settings.bulk_body_bytes_max,
            "/v1/links/import": settings.bulk_body_bytes_max,
        },
    )
    app.add_middleware(RateLimitHeaders)
    for error in PASSING:
        app.add_exception_handler(error, _on_database_away)
    api.include(app)
    return app


@asynccontextmanager
async def managed(
    app: FastAPI, settings: ShortenerSettings, pool: Pool, publisher: Publisher
) -> AsyncIterator[Resources]:
    """Builds what the routes find on `app.state`, and takes it down again."""
    id_key = settings.shortener_id_key.get_secret_value().encode()
    codes = CodeSource(pool, Permutation(id_key), blocks_max=settings.code_blocks_max)
    once = Once(
        size_max=settings.replay_cache_size_max,
        ttl_s=settings.replay_cache_ttl_s,
        body_bytes_max=settings.replay_body_bytes_max,
        in_flight=IdempotencyInFlight,
        mismatch=IdempotencyMismatch,
    )
    resources = Resources(settings=settings, db=pool, codes=codes, once=once, publisher=publisher)
    redis = ratelimit.connect(settings)

    async def lookup(key_sha256: bytes) -> Tenant | None:
        return await find_tenant(pool, key_sha256)

    app.state.resources = resources
    app.state.cursors = Cursors(id_key)
    app.state.own_hosts = frozenset({PublicHost.of(settings.public_base_url)})
    app.state.access = Access(
        settings=settings,
        keys=auth.KeyCache.of(settings, lookup),
        limiter=RateLimiter(
            redis,
            name="api",
            fallback=LocalLimiter(size_max=settings.ratelimit_local_size_max),
            timeout_s=settings.redis_timeout_s,
        ),
        admin=auth.admin_guard(settings),
    )
    try:
        yield resources
    finally:
        await codes.close()
        await redis.aclose()


async def _on_database_away(_request: Request, _error: Exception) -> Response:
    return problems.response(DatabaseAway(headers={"Retry-After": "1"}))
