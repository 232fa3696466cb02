"""Puts the HTTP process together: the dialect before the framework, and what both work with."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from chassis import auth, postgres, ratelimit
from chassis.app import create_app
from chassis.health import Health
from chassis.once import Once
from chassis.postgres import Pool
from chassis.ratelimit import LocalLimiter, RateLimiter
from fastapi import FastAPI

from payments import api
from payments.bank import Bank, bank_of
from payments.clock import clock_of
from payments.dialect import openapi
from payments.dialect.dispatch import Dispatcher
from payments.dialect.envelope import refuse
from payments.dialect.errors import IdempotencyMismatch, KeyInUse
from payments.dialect.expand import Noun
from payments.dialect.gate import Caller, Gate
from payments.dialect.routes import Route
from payments.nouns import nouns_of
from payments.resources import Resources
from payments.settings import PaymentsSettings
from payments.usecases.accounts import find_account

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
Payments in the dialect of Stripe: set the official SDK's base address to it.

Parameters are form-encoded with brackets. Every error has Stripe's envelope with a stable `type` and `code`.
A POST with an `Idempotency-Key` has one effect and one answer, however often it is sent.
"""


def create(
    settings: PaymentsSettings,
    health: Health,
    *,
    routes: Sequence[Route] = api.ROUTES,
    nouns: Mapping[str, Noun] | None = None,
) -> FastAPI:
    """Postgres is shown by /readyz and decides nothing.

    Without it every replica would leave at once, and a client get the balancer's error page in place of a 503
    that its SDK retries.
    """
    known = nouns_of(clock_of(settings)) if nouns is None else nouns
    dispatcher = Dispatcher(routes, known)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            postgres.pool_of(settings) as pool,
            bank_of(settings) as bank,
            gate_of(settings, pool) as gate,
        ):
            health.add("postgres", lambda: postgres.ping(pool), critical=False)
            app.state.resources = resources_of(settings, pool, bank, known)
            dispatcher.open(app.state.resources, gate)
            yield

    app = create_app(
        settings,
        title="Payments",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
        inner=dispatcher.before,
        refuse=refuse,
        describe=lambda document: openapi.describe(document, routes, known),
    )
    app.state.admin_guard = auth.admin_guard(settings)
    api.include(app)
    return app


def resources_of(
    settings: PaymentsSettings, pool: Pool, bank: Bank, nouns: Mapping[str, Noun] | None = None
) -> Resources:
    """What the use cases work with, in main and in worker."""
    once = Once(
        size_max=settings.replay_cache_size_max,
        ttl_s=settings.replay_cache_ttl_s,
        body_bytes_max=settings.replay_body_bytes_max,
        in_flight=KeyInUse,
        mismatch=IdempotencyMismatch,
    )
    clock = clock_of(settings)
    return Resources(
        settings=settings,
        db=pool,
        clock=clock,
        once=once,
        bank=bank,
        nouns=nouns_of(clock) if nouns is None else nouns,
    )


@asynccontextmanager
async def gate_of(settings: PaymentsSettings, pool: Pool) -> AsyncIterator[Gate]:
    redis = ratelimit.connect(settings)

    async def lookup(key_sha256: bytes) -> Caller | None:
        account = await find_account(pool, key_sha256)
        return None if account is None else Caller.of(account)

    size_max = settings.ratelimit_local_size_max
    try:
        yield Gate(
            auth.KeyCache.of(settings, lookup),
            RateLimiter(
                redis,
                name="api",
                # This process cannot know what the others let through: it takes less than the whole.
                fallback=LocalLimiter(size_max=size_max, share=settings.ratelimit_local_share),
                timeout_s=settings.redis_timeout_s,
            ),
            guesses=LocalLimiter(size_max=size_max),
            rate=settings.refused_key_rate_per_s,
            burst=settings.refused_key_burst,
        )
    finally:
        await redis.aclose()
