"""The dispatcher: sends what is due, to each endpoint at its own pace (ADR-0013).

Fairness is by places. An endpoint has a few in each worker, fewer until it has answered quickly once, and one
when it was slow or silent last time. The slow ones together never have more than half of the worker's places,
nor they and the unknown ones more than three quarters: one that is known to be quick always finds a place.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec
from chassis.logs import get_logger
from chassis.postgres import PASSING
from chassis.retry import pause_s
from chassis.server import StopSignal
from chassis.telemetry import current_traceparent, use_traceparent
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from payments.domain import signing
from payments.domain.deliveries import Attempt
from payments.domain.events import render
from payments.receivers import USER_AGENT, Receivers
from payments.resources import Resources
from payments.store.dispatch import Claim
from payments.usecases import dispatch

_log = get_logger(__name__)
_tracer = trace.get_tracer(__name__)

_SLOW_S: Final = 1.0
_NEW_PLACES: Final = 4
_SLOW_PLACES: Final = 1
_REMEMBERED_MAX: Final = 20_000
_FAILURE_PAUSE_MAX_S: Final = 2.0
# Places come free one by one: a moment's patience lets one claim fill several.
_GATHER_S: Final = 0.005


class Places:
    """Who may send how much at once, in this process."""

    def __init__(self, total: int, per_endpoint: int) -> None:
        self._total = total
        self._per_endpoint = per_endpoint
        self._busy: Counter[str] = Counter()
        # Endpoint -> whether it was quick the last time, least recently heard of first.
        self._quick: OrderedDict[str, bool] = OrderedDict()

    def grants(self, endpoint_ids: Sequence[str]) -> dict[str, int]:
        """How many deliveries each may begin now; who gets none is left out."""
        slow, new = self._busy_of(quick=False), self._busy_of(quick=None)
        room = self._total - self._busy.total()
        unproven_room, slow_room = self._total * 3 // 4 - slow - new, self._total // 2 - slow
        granted = {}
        for endpoint_id in endpoint_ids:
            quick = self._quick.get(endpoint_id)
            bounds = [self._limit(endpoint_id) - self._busy[endpoint_id], room]
            if not quick:
                bounds.append(unproven_room)
            if quick is False:
                bounds.append(slow_room)
            count = min(bounds)
            if count > 0:
                granted[endpoint_id] = count
                room -= count
                unproven_room -= 0 if quick else count
                slow_room -= count if quick is False else 0
        return granted

    def _busy_of(self, *, quick: bool | None) -> int:
        return sum(count for at, count in self._busy.items() if self._quick.get(at) is quick)

    def _limit(self, endpoint_id: str) -> int:
        quick = self._quick.get(endpoint_id)
        if quick is None:
            return min(_NEW_PLACES, self._per_endpoint)
        return self._per_endpoint if quick else _SLOW_PLACES

    def take(self, endpoint_id: str) -> None:
        self._busy[endpoint_id] += 1

    def give_back(self, endpoint_id: str) -> None:
        self._busy[endpoint_id] -= 1
        if not self._busy[endpoint_id]:
            del self._busy[endpoint_id]

    def heard(self, endpoint_id: str, *, quick: bool) -> None:
        self._quick[endpoint_id] = quick
        self._quick.move_to_end(endpoint_id)
        while len(self._quick) > _REMEMBERED_MAX:
            self._quick.popitem(last=False)


class Dispatcher:
    """Any number may run: events and deliveries are taken by one worker at a time."""

    def __init__(self, res: Resources, receivers: Receivers) -> None:
        self._res = res
        self._receivers = receivers
        settings = res.settings
        self._places = Places(settings.webhook_inflight_max, settings.webhook_endpoint_inflight_max)
        self._after = ""
        self._woken = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()

    async def run(self, stop: StopSignal) -> None:
        """Until told to stop; what is being sent then is awaited."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fan_out(stop))
            group.create_task(self._send(stop))
            group.create_task(self._report(stop))

    async def _fan_out(self, stop: StopSignal) -> None:
        failures = 0
        while not stop.is_set():
            try:
                events, deliveries = await dispatch.fan_out(self._res)
                failures = 0
            except PASSING as error:
                failures += 1
                await _postpone(stop, "webhooks.fan_out_postponed", error, failures)
                continue
            if deliveries:
                self._woken.set()
            if events < self._res.settings.webhook_fan_out_batch_max:
                await stop.sleep(self._res.settings.webhook_poll_s)

    async def _send(self, stop: StopSignal) -> None:
        failures = 0
        while not stop.is_set():
            self._woken.clear()
            try:
                begun = await self.begin_due()
                failures = 0
            except PASSING as error:
                failures += 1
                await _postpone(stop, "webhooks.claim_postponed", error, failures)
                continue
            if not begun:
                await self._rest(stop)
        await self.finish()

    async def begin_due(self) -> int:
        """One pass: begin what is due and has a place; give how many attempts."""
        due = await dispatch.due_endpoints(self._res, self._after)
        over = [one.endpoint_id for one in due if not one.live]
        if over:
            await dispatch.drop(self._res, over)
        grants = self._places.grants([one.endpoint_id for one in due if one.live])
        # The next pass goes on behind the last that got a place, or from the start.
        whole = len(due) < self._res.settings.webhook_due_endpoints_max and len(grants) == len(due) - len(
            over
        )
        self._after = "" if whole or not grants else max(grants)
        claims = await dispatch.claim(self._res, grants) if grants else []
        for claim in claims:
            self._begin(claim)
        return len(claims)

    def _begin(self, claim: Claim) -> None:
        self._places.take(claim.endpoint_id)
        task = asyncio.create_task(self._attempt(claim), name=f"webhook-{claim.event.id}")
        self._attempts.add(task)
        task.add_done_callback(lambda done: self._ended(claim, done))

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._places.give_back(claim.endpoint_id)
        self._woken.set()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Its outcome is not written: the lease ends, and it is sent again.
            _log.error("webhook.attempt_lost", event_id=claim.event.id, exc_info=error)

    async def _attempt(self, claim: Claim) -> None:
        with (
            use_traceparent(claim.event.traceparent),
            _tracer.start_as_current_span("webhook.attempt", kind=SpanKind.CLIENT) as span,
        ):
            span.set_attribute("webhook.event_id", claim.event.id)
            span.set_attribute("webhook.endpoint_id", claim.endpoint_id)
            span.set_attribute("webhook.attempt", claim.number)
            started_at = self._res.clock.now()
            body = msgspec.json.encode(render(claim.event, pending_webhooks=max(claim.webhooks, 1)))
            reply = await self._receivers.post(claim.url, _headers(claim, body), body)
            attempt = Attempt(
                number=claim.number,
                started_at=started_at,
                duration_ms=round(reply.seconds * 1000),
                status=reply.status,
                error=reply.error,
                response=reply.excerpt,
            )
            span.set_attribute("webhook.outcome", attempt.outcome)
            self._places.heard(claim.endpoint_id, quick=reply.seconds < _SLOW_S)
            await dispatch.settle(self._res, claim, attempt)

    async def finish(self) -> None:
        """Wait for what is being sent; each attempt is bounded by its timeout."""
        if self._attempts:
            await asyncio.wait(set(self._attempts))

    async def _rest(self, stop: StopSignal) -> None:
        waiting = asyncio.ensure_future(self._woken.wait())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait(
                {waiting, stopping},
                timeout=self._res.settings.webhook_poll_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            waiting.cancel()
            stopping.cancel()
        await asyncio.sleep(_GATHER_S)

    async def _report(self, stop: StopSignal) -> None:
        while not await stop.sleep(self._res.settings.webhook_report_s):
            try:
                await dispatch.report(self._res)
            except PASSING as error:
                _log.info("webhooks.report_postponed", error=type(error).__name__)


def _headers(claim: Claim, body: bytes) -> dict[str, str]:
    # The machine's time, also in test runs that move the clock: receivers compare it with theirs.
    at = int(time.time())
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": USER_AGENT,
        **signing.headers(secrets_=claim.secrets, message_id=claim.event.id, at=at, body=body),
    }
    traceparent = current_traceparent()
    return headers if traceparent is None else {**headers, "traceparent": traceparent}


async def _postpone(stop: StopSignal, event: str, error: Exception, failures: int) -> None:
    _log.warning(event, error=type(error).__name__)
    await stop.sleep(pause_s(failures, first_s=0.1, most_s=_FAILURE_PAUSE_MAX_S))
