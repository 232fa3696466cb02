"""Puts the HTTP process together, and what its use cases and those of the worker work with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis import auth, postgres, problems, ratelimit
from chassis.app import create_app
from chassis.health import Health
from chassis.once import Once
from chassis.postgres import PASSING, Pool
from chassis.ratelimit import LocalLimiter, RateLimiter, RateLimitHeaders
from chassis.weburls import Allowed
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from orders import api
from orders.api.access import Access
from orders.domain.tenants import Tenant
from orders.inventory import Inventory, inventory_of
from orders.problems import DatabaseAway, IdempotencyInFlight, IdempotencyMismatch
from orders.resources import Resources
from orders.settings import OrdersSettings
from orders.usecases.tenants import find_tenant

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
Orders: placed at once, carried to one end by a saga over Kafka. Stock is reserved, the payment authorised,
the stock confirmed, the payment captured; whatever fails is undone before the order says that it has ended.

Every error is a problem document (RFC 9457) with a stable `code`. Every answer tells what is left of the
caller's rate (`RateLimit`). A POST with an `Idempotency-Key` has one effect and one answer, however often it
is sent.
"""


def create(settings: OrdersSettings, health: Health) -> FastAPI:
    """Postgres is shown by /readyz and decides nothing.

    Without it every replica would leave at once, and a client get the balancer's error page in place of a
    503. Neither Kafka nor inventory nor payments is asked before an order is taken.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            postgres.pool_of(settings) as pool,
            inventory_of(settings) as inventory,
            redis_of(settings) as redis,
        ):
            health.add("postgres", lambda: postgres.ping(pool), critical=False)
            app.state.resources = resources_of(settings, pool, inventory)
            app.state.access = access_of(settings, pool, redis)
            app.state.redis = redis
            yield

    app = create_app(
        settings,
        title="Orders",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
    )
    app.state.allowed_hosts = Allowed.of(settings.webhook_allowed_hosts.split(","))
    app.add_middleware(RateLimitHeaders)
    for error in PASSING:
        app.add_exception_handler(error, _on_database_away)
    api.include(app)
    return app


def resources_of(settings: OrdersSettings, pool: Pool, inventory: Inventory) -> Resources:
    """What the use cases work with, in main and in worker."""
    once = Once(
        size_max=settings.replay_cache_size_max,
        ttl_s=settings.replay_cache_ttl_s,
        body_bytes_max=settings.replay_body_bytes_max,
        in_flight=IdempotencyInFlight,
        mismatch=IdempotencyMismatch,
    )
    return Resources(settings=settings, db=pool, once=once, inventory=inventory)


@asynccontextmanager
async def redis_of(settings: OrdersSettings) -> AsyncIterator[Redis]:
    redis = ratelimit.connect(settings)
    try:
        yield redis
    finally:
        await redis.aclose()


def access_of(settings: OrdersSettings, pool: Pool, redis: Redis) -> Access:
    async def lookup(key_sha256: bytes) -> Tenant | None:
        return await find_tenant(pool, key_sha256)

    size_max = settings.ratelimit_local_size_max
    return Access(
        settings=settings,
        keys=auth.KeyCache.of(settings, lookup),
        limiter=RateLimiter(
            redis,
            name="api",
            # This process cannot know what the others let through: it takes less than the whole.
            fallback=LocalLimiter(size_max=size_max, share=settings.ratelimit_local_share),
            timeout_s=settings.redis_timeout_s,
        ),
        guesses=LocalLimiter(size_max=size_max),
        admin=auth.admin_guard(settings),
    )


async def _on_database_away(_request: Request, _error: Exception) -> Response:
    return problems.response(DatabaseAway(headers={"Retry-After": "1"}))
