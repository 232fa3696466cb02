"""Puts the HTTP process together: the front before the framework, and what both find of the process."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from chassis import logs, metrics, problems, ratelimit
from chassis.app import Lifespan, create_app
from chassis.auth import KeyCache
from chassis.health import Health
from chassis.kafka import Producer, ProducerLimits
from chassis.postgres import PASSING, Pool
from chassis.ratelimit import LocalLimiter, RateLimiter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from metrics_ingest import api
from metrics_ingest.api.described import describe
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.problems import DatabaseAway
from metrics_ingest.receivers import front
from metrics_ingest.receivers.aggregates import AggregateBounds
from metrics_ingest.receivers.auth import Access
from metrics_ingest.receivers.front import PASSING_FAILURES, Front
from metrics_ingest.receivers.reading import Bodies, Unpacking
from metrics_ingest.receivers.statsd import Statsd, StatsdBounds
from metrics_ingest.resources import Resources
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.accept import Accepting, Sending
from metrics_ingest.usecases.allowance import Allowance, TooManyPoints
from metrics_ingest.usecases.judge import Judge
from metrics_ingest.usecases.series import Registry
from metrics_ingest.usecases.tenants import Tenants, TenantUnknown
from metrics_ingest.usecases.turns import Memory

VERSION: Final = "1.0.0"
DESCRIPTION: Final = """\
Metrics ingestion whose acknowledgement means something: success is told of what the broker holds, every other
point is refused with a reason, and `GET /api/v1/ledger` accounts for all of them.

Ingestion routes answer in the form of their protocol; errors of the others are problem documents (RFC 9457).
"""
# A record's value is bounded; its headers come on top.
_BATCH_SLACK_BYTES: Final = 64 * 1024

log = logs.get_logger(__name__)
_ACTIVE_SERIES = metrics.gauge(
    "metrics_ingest_active_series", "Series that this process knows, of all tenants."
)


def create_service(
    settings: MetricsSettings,
    *,
    lifespan: Lifespan,
    before: Front | None = None,
    health: Health | None = None,
) -> FastAPI:
    """The app; its lifespan must enter `running` before the first request."""
    before = before or Front()
    app = create_app(
        settings,
        title="Metrics ingest",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        health=health,
        body_bytes_max_by_path=dict.fromkeys(front.ROUTES, settings.ingest_body_bytes_max),
        inner=before.before,
        refuse=front.refuse,
        describe=describe,
    )
    for error in PASSING:
        app.add_exception_handler(error, _on_database_away)
    api.include(app)
    return app


def new_producer(settings: MetricsSettings) -> Producer:
    limits = ProducerLimits(
        send_timeout_s=settings.ack_timeout_s,
        batch_bytes_max=settings.record_bytes_max + _BATCH_SLACK_BYTES,
        inflight_records_max=settings.unacked_records_max,
        compression=None,
    )
    return Producer(settings, limits)


@asynccontextmanager
async def running(settings: MetricsSettings, pool: Pool, producer: Sending) -> AsyncIterator[Resources]:
    """What requests find, and its background work: series are told to Postgres, packets are listened to."""
    redis = ratelimit.connect(settings)
    local = LocalLimiter(size_max=settings.ratelimit_local_size_max)
    limiter = RateLimiter(redis, name="points", fallback=local, timeout_s=settings.redis_timeout_s)
    resources = _resources(settings, pool, producer, limiter)
    _ACTIVE_SERIES.set_function(lambda: resources.registry.series_count)
    keeping = asyncio.create_task(resources.registry.run())
    keeping.add_done_callback(_report)
    try:
        async with AsyncExitStack() as stack:
            if settings.statsd_port is not None:
                statsd = _statsd(settings, resources)
                where = settings.statsd_host, settings.statsd_port
                await stack.enter_async_context(statsd.listening(*where, fd=settings.statsd_fd))
            yield resources
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        with suppress(*PASSING):
            async with asyncio.timeout(settings.registry_flush_timeout_s):
                await resources.registry.flush(everything=True)
        await redis.aclose()


def _resources(settings: MetricsSettings, pool: Pool, producer: Sending, limiter: RateLimiter) -> Resources:
    tenants = Tenants(
        pool,
        timeout_s=settings.tenant_lookup_timeout_s,
        kept_s=settings.tenant_kept_s,
        kept_max=settings.tenants_kept_max,
    )
    keys = KeyCache(
        tenants.by_key,
        settings.key_cache_ttl_s,
        settings.key_cache_size_max,
        negative_ttl_s=settings.key_cache_negative_ttl_s,
        timeout_s=settings.database_timeout_s,
    )
    allowance = Allowance(
        limiter,
        burst_s=settings.points_burst_s,
        slice_s=settings.points_slice_s,
        stands_s=settings.refusal_stands_s,
        tenants_max=settings.tenants_kept_max,
    )
    bounds = bounds_of(settings)
    registry = Registry(bounds, pool)

    def memory(total_bytes: int) -> Memory:
        return Memory(total_bytes, wait_s=settings.memory_wait_s, waiting_max=settings.memory_waiting_max)

    return Resources(
        settings=settings,
        db=pool,
        tenants=tenants,
        access=Access.of(settings, keys),
        allowance=allowance,
        registry=registry,
        judge=Judge(bounds, registry),
        accepting=Accepting(producer, allowance, unacked_bytes_max=settings.unacked_bytes_max),
        bodies=Bodies(memory(settings.bodies_bytes_max), timeout_s=settings.body_read_timeout_s),
        unpacking=Unpacking(memory(settings.unpacked_at_once_bytes_max)),
    )


def bounds_of(settings: MetricsSettings) -> Bounds:
    return Bounds(
        future_limit_s=settings.future_limit_s,
        record_bytes_max=settings.record_bytes_max,
        unpacked_at_once_bytes_max=settings.unpacked_at_once_bytes_max,
        series_idle_s=settings.series_idle_s,
        known_series_max=settings.known_series_max,
        registry_wait_s=settings.registry_wait_s,
        registry_turn_s=settings.registry_turn_s,
        memory_wait_s=settings.memory_wait_s,
        memory_waiting_max=settings.memory_waiting_max,
    )


def _statsd(settings: MetricsSettings, resources: Resources) -> Statsd:
    aggregates = AggregateBounds(
        series_max=settings.statsd_series_max,
        members_max=settings.statsd_members_max,
        label_bytes_max=settings.statsd_label_bytes_max,
        refresh_s=settings.statsd_refresh_s,
        idle_s=settings.statsd_idle_s,
    )
    return Statsd(
        StatsdBounds(
            window_s=settings.statsd_window_s,
            lines_max=settings.statsd_lines_max,
            receive_buffer_bytes=settings.statsd_buffer_bytes,
            flush_timeout_s=settings.statsd_flush_timeout_s,
            aggregates=aggregates,
        ),
        resources,
        lambda: resources.tenants.by_id(settings.statsd_tenant),
        # The same after a restart: its counters go on as the same series.
        replica=f"{socket.gethostname()}:{settings.http_port}",
        passing=(*PASSING_FAILURES, TooManyPoints, TenantUnknown),
    )


def _report(task: asyncio.Task[None]) -> None:
    """Without the registry's loop series never end: when it fails, the process leaves."""
    if not task.cancelled() and task.exception() is not None:
        log.error("registry.failed", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


async def _on_database_away(_request: Request, _error: Exception) -> Response:
    return problems.response(DatabaseAway(headers={"Retry-After": "1"}))
