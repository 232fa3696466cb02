"""Delivering: claim, send outside of any transaction, record. What was sent is never sent again."""

import asyncio
import time
from collections.abc import Sequence

from chassis.logs import get_logger
from chassis.metrics import counter, exemplar, histogram
from chassis.postgres import PASSING
from chassis.retry import HandlerError, Kind, Permanent, Transient, classify, pause_s

from notifications.domain.deliveries import Claim, State
from notifications.domain.notices import Channel, Notice, notices_of
from notifications.domain.orders import Order
from notifications.domain.texts import text_of
from notifications.resources import Resources
from notifications.store import deliveries

_log = get_logger(__name__)
_SENT = counter(
    "notifications_sent_total", "Attempts at notices, by what became of them.", ("channel", "outcome")
)
_SECONDS = histogram("notifications_send_seconds", "Time of one attempt at a notice.", ("channel",))


async def deliver(res: Resources, order: Order, *, event_id: str, redrives: int = 0) -> None:
    """Every notice of the event, side by side: one that fails holds up no other.

    Raises what failed, transient first: the event then comes again for what is not sent, and only for that.
    """
    notices = notices_of(order, event_id, email_domain=res.settings.customer_email_domain)
    outcomes = await asyncio.gather(
        *(_deliver(res, notice, redrives) for notice in notices), return_exceptions=True
    )
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failures:
        raise _first(failures)


def _first(failures: Sequence[BaseException]) -> BaseException:
    passing = (one for one in failures if isinstance(one, Exception) and classify(one) is Kind.TRANSIENT)
    return next(passing, failures[0])


async def _deliver(res: Resources, notice: Notice, redrives: int) -> None:
    if notice.target is None or (notice.channel is Channel.WEBHOOK and res.webhooks is None):
        async with res.db.acquire() as conn:
            if await deliveries.skip(conn, notice):
                _SENT.labels(notice.channel, "skipped").inc()
        return
    claim = await _claim(res, notice, redrives)
    if claim is None:
        return
    started = time.perf_counter()
    try:
        await _send(res, notice, notice.target, claim)
    except HandlerError as error:
        state = State.FAILED if isinstance(error, Permanent) else State.SENDING
        await _settle(res, notice, claim, state, str(error))
        raise
    finally:
        _SECONDS.labels(notice.channel).observe(time.perf_counter() - started, exemplar())
    await _settle(res, notice, claim, State.SENT)


async def _claim(res: Resources, notice: Notice, redrives: int) -> Claim | None:
    """None when it is sent. One in another's hand is waited for: he is about to end, or has died."""
    lease_s = res.settings.delivery_lease_s
    patient_until = time.monotonic() + lease_s
    while True:
        async with res.db.acquire() as conn:
            claim = await deliveries.claim(conn, notice, redrives=redrives, lease_s=lease_s)
            standing = None if claim is not None else await deliveries.look_up(conn, notice)
        if standing is None:
            return claim
        if standing.state is State.FAILED:
            raise Permanent(f"refused before: {standing.error}")
        if standing.state is not State.SENDING:
            return None
        if time.monotonic() >= patient_until:
            raise Transient("another worker is at it")
        await asyncio.sleep(min(standing.lease_s, res.settings.delivery_look_s))


async def _send(res: Resources, notice: Notice, target: str, claim: Claim) -> None:
    if notice.channel is Channel.MAIL:
        tracking_url = await _tracking_url(res, notice, claim)
        text = text_of(notice.order, tracking_url)
        await res.mailer.send(text, to=target, message_id=notice.event_id)
    elif res.webhooks is not None:
        await res.webhooks.send(target, notice.order, notice.event_id)


async def _tracking_url(res: Resources, notice: Notice, claim: Claim) -> str | None:
    """Made once: an attempt that fails behind it leaves it to the next one."""
    order_id = notice.order.order_id
    long_url = res.links.long_url(order_id) if notice.order.status == "completed" else None
    if claim.short_url is not None or long_url is None:
        return claim.short_url
    short_url = await res.links.shorten(long_url, order_id)
    async with res.db.acquire() as conn:
        await deliveries.remember_link(conn, notice, short_url)
    return short_url


async def _settle(
    res: Resources, notice: Notice, claim: Claim, state: State, error: str | None = None
) -> None:
    kept = await _record(res, notice, claim, state, error)
    outcome = {State.SENT: "sent", State.FAILED: "refused"}.get(state, "postponed")
    _SENT.labels(notice.channel, outcome).inc()
    _log.info(
        f"notice.{outcome}",
        channel=notice.channel,
        order_id=notice.order.order_id,
        event_id=notice.event_id,
        attempt=claim.attempt,
        error=error,
        overtaken=not kept,
    )


async def _record(res: Resources, notice: Notice, claim: Claim, state: State, error: str | None) -> bool:
    """Worth some patience: what was sent and is not on record goes out again."""
    attempt = 1
    while True:
        try:
            async with res.db.acquire() as conn:
                return await deliveries.settle(conn, notice, claim.attempt, state, error)
        except PASSING:
            if attempt >= res.settings.record_attempts_max:
                raise
        await asyncio.sleep(pause_s(attempt, first_s=0.1, most_s=1.0))
        attempt += 1
