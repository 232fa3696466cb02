"""Webhooks on their way: events become deliveries, deliveries are claimed, attempts are told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from chassis import metrics
from chassis.logs import get_logger

from payments.domain.deliveries import GONE, Attempt, Schedule
from payments.resources import Resources
from payments.store import dispatch as store
from payments.store import webhook_endpoints as endpoints
from payments.store.dispatch import Claim, Due

_ATTEMPTS = metrics.counter(
    "payments_webhook_attempts_total", "Attempts to deliver, by outcome.", ("outcome",)
)
_SECONDS = metrics.histogram("payments_webhook_attempt_seconds", "Duration of an attempt to deliver.")
_LAG = metrics.gauge(
    "payments_webhook_lag_seconds", "How long the most overdue event or delivery has been waiting."
)
_PENDING = metrics.gauge("payments_webhook_pending", "Deliveries that are not made yet.")
_DROP_MAX: Final = 500
_log = get_logger(__name__)


async def fan_out(res: Resources) -> tuple[int, int]:
    """Turn new events into deliveries; give how many events were taken and deliveries made."""
    settings = res.settings
    async with res.db.acquire() as conn:
        return await store.fan_out(
            conn,
            res.clock.now(),
            timedelta(seconds=settings.webhook_give_up_s),
            settings.webhook_fan_out_batch_max,
        )


async def due_endpoints(res: Resources, after: str) -> list[Due]:
    """Those with something to send, in the order of their ids; at most `webhook_due_endpoints_max`."""
    async with res.db.acquire() as conn:
        return await store.due(conn, res.clock.now(), after, res.settings.webhook_due_endpoints_max)


async def claim(res: Resources, grants: Mapping[str, int]) -> list[Claim]:
    """Take as many deliveries of each endpoint as it is granted; each is one attempt to make now."""
    lease = timedelta(seconds=res.settings.webhook_lease_s)
    async with res.db.acquire() as conn:
        return await store.claim(conn, list(grants), list(grants.values()), res.clock.now(), lease)


async def drop(res: Resources, endpoint_ids: list[str]) -> None:
    """Nothing more is sent to endpoints that were disabled or deleted."""
    async with res.db.acquire() as conn:
        dropped = await store.drop(conn, endpoint_ids, res.clock.now(), _DROP_MAX)
    _log.info("webhooks.dropped", endpoints=len(endpoint_ids), deliveries=dropped)


async def settle(res: Resources, claim: Claim, attempt: Attempt) -> None:
    """Log the attempt, and decide what becomes of the delivery: done, again later, or given up."""
    _ATTEMPTS.labels(attempt.outcome).inc()
    _SECONDS.observe(attempt.duration_ms / 1000)
    now = res.clock.now()
    state, again = "delivered", None
    if not attempt.delivered:
        if attempt.status != GONE:
            again = _schedule(res).next_attempt_at(claim.tries, now, claim.give_up_at)
        state = "failed" if again is None else "pending"
    async with res.db.acquire() as conn:
        # The endpoint first: should we stop in between, the next attempt is dropped and not sent.
        if attempt.status == GONE and await endpoints.disable(conn, claim.endpoint_id, claim.url):
            _log.warning("webhook_endpoint.disabled", endpoint=claim.endpoint_id, reason="gone")
        await store.settle(conn, claim, attempt, state, again, now)
    _log.info(
        "webhook.attempted",
        event_id=claim.event.id,
        endpoint=claim.endpoint_id,
        number=attempt.number,
        outcome=attempt.outcome,
        status=attempt.status,
        state=state,
    )


def _schedule(res: Resources) -> Schedule:
    settings = res.settings
    return Schedule(first_s=settings.webhook_retry_first_s, pause_max_s=settings.webhook_retry_pause_max_s)


async def report(res: Resources) -> None:
    """How much waits, and for how long."""
    async with res.db.acquire() as conn:
        pending, oldest = await store.backlog(conn, res.settings.webhook_counted_max)
    _PENDING.set(pending)
    _LAG.set(0.0 if oldest is None else max(0.0, (res.clock.now() - oldest).total_seconds()))
