"""Puts the redirect path together: caches, invalidation, visits, clicks, and the callable before FastAPI.

In main:

    hot = HotPath(settings)
    app = create_management(settings, lifespan=lifespan, health=health)
    async with pool_of(settings) as pool, hot.running(pool, app.state.telemetry): ...  # in the lifespan
    serve(hot.before(app), settings)
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chassis.edge import Recorder
from chassis.kafka import Producer, ProducerLimits
from chassis.logs import get_logger
from chassis.postgres import Pool
from chassis.telemetry import Telemetry
from starlette.types import ASGIApp

from shortener.audience import Audience
from shortener.cache import SCRIPTS, SharedCache
from shortener.clicks import Clicks
from shortener.invalidation import Invalidator
from shortener.redirect import Parts, Redirector
from shortener.rediswire import RedisWire
from shortener.resolver import Resolver
from shortener.settings import ShortenerSettings
from shortener.visits import Visits

log = get_logger(__name__)


class HotPath:
    """One a process."""

    invalidator: Invalidator

    def __init__(self, settings: ShortenerSettings) -> None:
        self._settings = settings
        self._redirector: Redirector | None = None

    def before(self, app: ASGIApp) -> ASGIApp:
        """The callable to serve: redirects by itself once `running` is entered, `app` for the rest."""
        self._redirector = Redirector(app)
        return self._redirector.__call__  # bound once: an instance is looked up at every call

    @asynccontextmanager
    async def running(self, pool: Pool, telemetry: Telemetry) -> AsyncIterator[None]:
        """Open the roads, then serve; on the way out send the last clicks."""
        settings = self._settings
        wire = _wire(settings)
        shared = SharedCache(settings, wire)
        resolver = Resolver(settings, pool, shared)
        self.invalidator = Invalidator(settings, pool, resolver, shared)
        audience = Audience(settings.visitor_salt_key.get_secret_value(), settings.geoip_database)
        producer = Producer(settings, ProducerLimits(send_timeout_s=settings.clicks_send_timeout_s))
        clicks = Clicks(settings, producer, audience)
        visits = Visits(settings, pool)
        await producer.start()
        tasks = [
            _supervised(wire.run(_Roads(resolver, self.invalidator))),
            _supervised(self.invalidator.listen()),
            _supervised(self.invalidator.sweep()),
        ]
        flusher = _supervised(clicks.run())
        if self._redirector is not None:
            parts = Parts(resolver, visits, clicks, audience)
            self._redirector.open(parts, Recorder(telemetry, access_log=settings.access_log))
        try:
            yield
        finally:
            await clicks.close()
            await _end([*tasks, flusher])
            await visits.close()
            await resolver.close()
            await producer.stop()
            audience.close()


class _Roads:
    """What the wire tells goes to the holder of L1 first, then to the one who replays changes."""

    def __init__(self, resolver: Resolver, invalidator: Invalidator) -> None:
        self._resolver, self._invalidator = resolver, invalidator

    def on_redis_up(self) -> None:
        self._resolver.on_redis_up()
        self._invalidator.on_redis_up()

    def on_redis_lost(self) -> None:
        self._resolver.on_redis_lost()

    def on_redis_invalidate(self, keys: list[bytes] | None) -> None:
        self._resolver.on_redis_invalidate(keys)


def _wire(settings: ShortenerSettings) -> RedisWire:
    password = settings.redis_password
    return RedisWire(
        settings.redis_url,
        password=None if password is None else password.get_secret_value(),
        scripts=SCRIPTS,
        timeout_s=settings.wire_timeout_s,
        handshake_timeout_s=settings.wire_handshake_timeout_s,
        backoff_max_s=settings.wire_backoff_max_s,
        pending_max=settings.wire_pending_max,
        name=settings.service_name,
    )


def _supervised(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A background task that the process cannot be right without: when it fails, the process leaves."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("hotpath.task_failed", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
