"""Payments through Stripe's own SDK: a timeout, a breaker, and one idempotency key a step.

What comes back is how the payment stands, or `Unknown`: no failure of the way there is an exception here. The
saga is the one layer that tries again, so the SDK does not (ADR-0010).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import stripe
from chassis import metrics
from chassis.resilience import Breaker, BreakerState, deadline
from chassis.telemetry import current_traceparent, use_traceparent
from opentelemetry import trace

from orders.domain.calls import Answer, Call, Intent, Operation, Refund, Refused, Unknown
from orders.settings import OrdersSettings

_CALLS = metrics.counter("orders_payment_calls_total", "Calls to payments.", ("operation", "outcome"))
_SECONDS = metrics.histogram("orders_payment_call_seconds", "Time of one call to payments.", ("operation",))
_tracer = trace.get_tracer(__name__)

NAME: Final = "payments"
_NOT_FOUND: Final = 404
# It answers, but about itself or about another call: the breaker has nothing to learn from that.
_ANSWERED: Final = (stripe.RateLimitError, stripe.IdempotencyError)
_AWAY: Final = (
    stripe.StripeError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    KeyError,
    TypeError,
    ValueError,
)


class Payments:
    """One a process: `admit` before a step is claimed, then `perform` for what was claimed."""

    def __init__(self, settings: OrdersSettings, client: stripe.StripeClient) -> None:
        self._settings = settings
        self._client = client.v1
        self._breaker = Breaker(
            NAME,
            calls_min=settings.stripe_breaker_calls_min,
            open_s=settings.stripe_breaker_open_s,
            open_max_s=settings.stripe_breaker_open_max_s,
        )

    def admit(self, wanted: int) -> int:
        """How many calls may be begun: all of them, one as a probe, or none while the breaker is open."""
        if not self._breaker.allow():
            return 0
        return wanted if self._breaker.state is BreakerState.CLOSED else 1

    def decline(self) -> None:
        """What was admitted is not called after all."""
        self._breaker.forget()

    async def perform(self, call: Call) -> Answer:
        """Ask or act, as the step needs it, in the trace of its order."""
        started = time.perf_counter()
        try:
            with use_traceparent(call.traceparent), _span(call):
                answer, answered = await self._attempt(call)
        except BaseException:
            # Without a verdict: a probe may be made by another.
            self._breaker.forget()
            raise
        self._breaker.record(ok=answered)
        _CALLS.labels(call.operation, type(answer).__name__.lower()).inc()
        _SECONDS.labels(call.operation).observe(time.perf_counter() - started)
        return answer

    async def _attempt(self, call: Call) -> tuple[Answer, bool]:
        """The answer, and whether the far end gave one."""
        try:
            return await self._ask(call) if call.polling else await self._act(call), True
        except stripe.CardError as refusal:
            return Refused(*_told(refusal)), True
        except stripe.InvalidRequestError as refusal:
            return await self._refused(call, refusal)
        except _ANSWERED as error:
            return Unknown(_name(error)), True
        except _AWAY as error:
            return Unknown(_name(error)), False

    async def _refused(self, call: Call, refusal: stripe.InvalidRequestError) -> tuple[Answer, bool]:
        """A capture or a void that is out of place has been overtaken: by what, the intent tells."""
        code, intent_id = _told(refusal)
        if call.polling or (refusal.http_status == _NOT_FOUND and refusal.code is None):
            return Unknown(f"{call.operation}: {code}"), True
        if call.operation in {Operation.AUTHORISE, Operation.REFUND}:
            return Refused(code, intent_id), True
        try:
            return await self._retrieve_intent(call), True
        except _AWAY as error:
            return Unknown(f"{code}, then {_name(error)}"), False

    async def _act(self, call: Call) -> Answer:
        match call.operation:
            case Operation.AUTHORISE:
                return await self._create(call)
            case Operation.CAPTURE:
                return await self._capture(call)
            case Operation.VOID:
                return await self._cancel(call)
            case Operation.REFUND:
                return await self._refund(call)

    async def _ask(self, call: Call) -> Answer:
        if call.operation is not Operation.REFUND:
            return await self._retrieve_intent(call)
        async with self._in_time() as options:
            found = await self._client.refunds.retrieve_async(call.refund_id or "", {}, options)
        return _refund_of(found)

    async def _create(self, call: Call) -> Answer:
        async with self._in_time(call.key) as options:
            intent = await self._client.payment_intents.create_async(
                {
                    "amount": call.amount,
                    "currency": call.currency,
                    "payment_method": call.payment_method,
                    "confirm": True,
                    "capture_method": "manual",
                    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                    "metadata": {"order_id": call.order_id, "tenant_id": call.tenant_id},
                },
                options,
            )
        return _intent_of(intent)

    async def _capture(self, call: Call) -> Answer:
        async with self._in_time(call.key) as options:
            intent = await self._client.payment_intents.capture_async(_intent_id(call), {}, options)
        return _intent_of(intent)

    async def _cancel(self, call: Call) -> Answer:
        async with self._in_time(call.key) as options:
            intent = await self._client.payment_intents.cancel_async(_intent_id(call), {}, options)
        return _intent_of(intent)

    async def _refund(self, call: Call) -> Answer:
        async with self._in_time(call.key) as options:
            refund = await self._client.refunds.create_async(
                {
                    "payment_intent": _intent_id(call),
                    "metadata": {"order_id": call.order_id, "tenant_id": call.tenant_id},
                },
                options,
            )
        return _refund_of(refund)

    async def _retrieve_intent(self, call: Call) -> Answer:
        async with self._in_time() as options:
            intent = await self._client.payment_intents.retrieve_async(_intent_id(call), {}, options)
        return _intent_of(intent)

    async def page_intents(self, after: str | None, *, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Payment intents of the account, newest first, below `after`, and whether there are more.

        Raises PaymentsAway.
        """
        params: dict[str, Any] = {"limit": limit, "expand": ["data.latest_charge"]}
        if after is not None:
            params["starting_after"] = after
        try:
            async with self._in_time() as options:
                page = await self._client.payment_intents.list_async(params, options)  # type: ignore[arg-type]
            return [intent.to_dict() for intent in page.data], page.has_more
        except _AWAY as error:
            raise PaymentsAway(_name(error)) from error

    async def find_intent(self, intent_id: str) -> dict[str, Any]:
        """Raises PaymentsAway."""
        try:
            async with self._in_time() as options:
                found = await self._client.payment_intents.retrieve_async(
                    intent_id, {"expand": ["latest_charge"]}, options
                )
            return found.to_dict()
        except _AWAY as error:
            missing = getattr(error, "http_status", None) == _NOT_FOUND
            raise PaymentsAway(_name(error), missing=missing) from error

    @asynccontextmanager
    async def _in_time(self, key: str | None = None) -> AsyncIterator[stripe.RequestOptions]:
        """What goes with a call: its deadline, its trace and its key."""
        timeout_s = deadline.time_left(self._settings.stripe_timeout_s)
        with deadline.Deadline.after(timeout_s).use():
            headers = {**deadline.headers(), **_trace_headers()}
        options: stripe.RequestOptions = {"headers": headers, "max_network_retries": 0}
        if key is not None:
            options["idempotency_key"] = key
        async with asyncio.timeout(timeout_s):
            yield options


class PaymentsAway(Exception):  # noqa: N818 a state, as the reconcile check tells it
    """Payments did not show what it holds; the message says why, `missing` that there is no such thing."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


@asynccontextmanager
async def payments_of(settings: OrdersSettings) -> AsyncIterator[Payments]:
    """The client for the life of a process; on aiohttp, as httpx takes twice its CPU."""
    stripe.enable_telemetry = False
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.stripe_calls_max, keepalive_timeout=settings.stripe_keepalive_s
        ),
        # Each call has its own, of the whole; to connect takes no longer than this.
        timeout=aiohttp.ClientTimeout(sock_connect=settings.stripe_connect_timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    key, base = settings.stripe_api_key, settings.stripe_api_base
    async with session:
        client = stripe.StripeClient(
            key.get_secret_value() if key is not None else "",
            base_addresses={} if base is None else {"api": base.rstrip("/")},
            http_client=stripe.AIOHTTPClient(timeout=None, session=session),
            max_network_retries=0,
        )
        yield Payments(settings, client)


def _span(call: Call) -> Any:
    name = f"payments {'ask ' if call.polling else ''}{call.operation}"
    attributes: dict[str, str | int] = {"order.id": call.order_id, "orders.attempt": call.attempts}
    return _tracer.start_as_current_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)


def _intent_id(call: Call) -> str:
    if call.payment_intent_id is None:
        raise ValueError(f"{call.order_id} has no payment intent to {call.operation}")
    return call.payment_intent_id


def _intent_of(intent: stripe.PaymentIntent) -> Intent:
    error = intent.last_payment_error
    return Intent(intent.id, intent.status, (error.decline_code or error.code) if error else None)


def _refund_of(refund: stripe.Refund) -> Refund:
    return Refund(refund.id, refund.status or "pending", getattr(refund, "failure_reason", None))


def _told(refusal: stripe.StripeError) -> tuple[str, str | None]:
    """Why, and of which intent."""
    body = refusal.json_body if isinstance(refusal.json_body, dict) else {}
    error: Mapping[str, Any] = body.get("error") or {}
    intent = error.get("payment_intent") or {}
    return str(error.get("decline_code") or error.get("code") or _name(refusal)), intent.get("id")


def _name(error: Exception) -> str:
    status = getattr(error, "http_status", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__


def _trace_headers() -> Mapping[str, str]:
    traceparent = current_traceparent()
    return {} if traceparent is None else {"traceparent": traceparent}
