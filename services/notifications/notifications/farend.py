"""A system that we depend on: so many calls to it at once, and none while it is down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.resilience import Breaker, BreakerOpenError, Bulkhead, BulkheadFullError
from chassis.retry import Transient

from notifications.settings import NotificationsSettings


class FarEnd:
    """Without the breaker each notice would wait out a silent server, and those for others behind it."""

    def __init__(
        self, name: str, settings: NotificationsSettings, *, calls_max: int, queue_timeout_s: float
    ) -> None:
        self._breaker = Breaker(
            name,
            calls_min=settings.breaker_calls_min,
            open_s=settings.breaker_open_s,
            open_max_s=settings.breaker_open_max_s,
        )
        self._bulkhead = Bulkhead(
            name,
            calls_max=calls_max,
            queue_max=settings.deliveries_max,
            queue_timeout_s=queue_timeout_s,
        )

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call; its Transient counts against the far end. A call not made is Transient, too."""
        try:
            async with self._bulkhead.slot():
                with self._breaker.guard(Transient):
                    yield
        except (BulkheadFullError, BreakerOpenError) as error:
            raise Transient(f"not tried: {error}") from error
