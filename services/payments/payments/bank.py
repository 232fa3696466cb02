"""The bank's client: timeout and deadline on every call, a breaker, a bulkhead, one retry on a budget.

Every call is for an operation and sends that operation's key, so it may be made again at any time. What comes
back is what the bank decided, or `Unknown`: no failure of the way there is ever an exception here.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from chassis import metrics
from chassis.problems import DeadlineExceeded
from chassis.resilience import Breaker, BreakerState, Bulkhead, BulkheadFullError, RetryBudget, deadline
from chassis.telemetry import current_traceparent
from opentelemetry import trace

from payments.domain.operations import Declined, Done, Kind, Operation, Outcome, Refused, Unknown
from payments.settings import PaymentsSettings

_CALLS = metrics.counter("payments_bank_calls_total", "Calls to the bank.", ("operation", "outcome"))
_SECONDS = metrics.histogram("payments_bank_call_seconds", "Time of one call to the bank.", ("operation",))
_tracer = trace.get_tracer(__name__)

NAME: Final = "bank"
_OK: Final = 200
_CLIENT_ERROR: Final = 400
_DECLINED: Final = 402
_SERVER_ERROR: Final = 500
# The bank did not get as far as a decision, or it is our own set-up that is wrong: ask again.
_UNDECIDED: Final = frozenset({401, 403, 408, 425, 429})
_IN_FLIGHT: Final = "idempotency_in_flight"
GENERIC_DECLINE: Final = "generic_decline"


class Bank:
    """One a process; `permit` before anything is begun, the call with it."""

    def __init__(self, settings: PaymentsSettings, client: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._client = client
        self._url = settings.bank_url.rstrip("/")
        self._breaker = Breaker(
            NAME,
            calls_min=settings.bank_breaker_calls_min,
            open_s=settings.bank_breaker_open_s,
            open_max_s=settings.bank_breaker_open_max_s,
        )
        self._bulkhead = Bulkhead(
            NAME,
            calls_max=settings.bank_calls_max,
            queue_max=settings.bank_queue_max,
            queue_timeout_s=settings.bank_queue_timeout_s,
        )
        self._budget = RetryBudget()

    @asynccontextmanager
    async def permit(self) -> "AsyncIterator[Permit | None]":
        """The right to make one call; None when the breaker is open or the bulkhead full."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._bulkhead.slot())
            except BulkheadFullError:
                yield None
                return
            if not self._breaker.allow():
                yield None
                return
            permit = Permit(self)
            try:
                yield permit
            finally:
                if not permit.used:
                    self._breaker.forget()

    @property
    def trusted(self) -> bool:
        """Whether the breaker lets every call through, not only a probe."""
        return self._breaker.state is BreakerState.CLOSED

    async def call(self, op: Operation) -> Outcome:
        """Up to two attempts under the operation's key; for permits."""
        self._budget.deposit()
        outcome = await self.attempt(op)
        if not isinstance(outcome, Unknown) or not self._may_retry():
            return outcome
        await asyncio.sleep(random.uniform(0.0, self._settings.bank_retry_pause_s))  # noqa: S311 jitter
        return await self.attempt(op)

    def _may_retry(self) -> bool:
        left = deadline.current()
        enough = left is None or left.remaining() > self._settings.bank_timeout_s
        return enough and self.trusted and self._budget.withdraw()

    async def attempt(self, op: Operation) -> Outcome:
        """One attempt; for permits."""
        started = time.perf_counter()
        answered = False
        try:
            outcome = await self._send(op)
            answered = not isinstance(outcome, Unknown)
        except (aiohttp.ClientError, OSError, msgspec.DecodeError, KeyError) as error:
            # The way there, or an answer that makes no sense.
            outcome = Unknown(type(error).__name__)
        except DeadlineExceeded:
            outcome = Unknown("deadline")
        except asyncio.CancelledError:
            self._breaker.forget()
            raise
        self._breaker.record(ok=answered)
        _CALLS.labels(op.kind, type(outcome).__name__.lower()).inc()
        _SECONDS.labels(op.kind).observe(time.perf_counter() - started, metrics.exemplar())
        return outcome

    async def _send(self, op: Operation) -> Outcome:
        timeout_s = deadline.time_left(self._settings.bank_timeout_s)
        path, body = request_of(op)
        with _tracer.start_as_current_span(f"bank {op.kind}", kind=trace.SpanKind.CLIENT) as span:
            with deadline.Deadline.after(timeout_s).use():
                headers = {"Idempotency-Key": op.bank_key, **deadline.headers(), **_trace_headers()}
            sending = self._client.post(
                self._url + path, data=msgspec.json.encode(body), headers=headers, allow_redirects=False
            )
            async with asyncio.timeout(timeout_s), sending as answer:
                content = await answer.read()
            span.set_attribute("http.response.status_code", answer.status)
        return outcome_of(op.kind, answer.status, content)


class Permit:
    """Leave to call: `call` for one operation with a retry, `ask` for several that have tried before."""

    __slots__ = ("_bank", "used")

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.used = False

    async def call(self, op: Operation) -> Outcome:
        self.used = True
        return await self._bank.call(op)

    async def ask(self, op: Operation) -> Outcome:
        self.used = True
        return await self._bank.attempt(op)


@asynccontextmanager
async def bank_of(settings: PaymentsSettings) -> AsyncIterator[Bank]:
    """The client for the life of a process: aiohttp, as httpx took 45 % of a payment's CPU."""
    key = settings.bank_api_key
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.bank_calls_max, keepalive_timeout=settings.bank_keepalive_s
        ),
        # Each call brings its own, from its deadline.
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Authorization": "Bearer " + (key.get_secret_value() if key is not None else ""),
            "Content-Type": "application/json",
            "User-Agent": f"{settings.service_name}/{settings.service_version}",
        },
    )
    async with session:
        yield Bank(settings, session)


def request_of(op: Operation) -> tuple[str, dict[str, Any]]:
    """Path and body: the same for every attempt of an operation, or the bank would refuse its key."""
    match op.kind:
        case Kind.AUTHORISE:
            return "/v1/charges", {
                "amount": op.amount,
                "currency": op.currency,
                "card": op.context["card"],
                "capture": op.context["capture"],
                "authenticated": op.context["authenticated"],
                "reference": op.intent_id,
            }
        case Kind.CAPTURE:
            return f"/v1/charges/{op.bank_charge_id}/capture", {"amount": op.amount}
        case Kind.VOID:
            return f"/v1/charges/{op.bank_charge_id}/void", {}
        case Kind.REFUND:
            return f"/v1/charges/{op.bank_charge_id}/refunds", {
                "amount": op.amount,
                "reference": op.refund_id,
            }


def outcome_of(kind: Kind, status: int, body: bytes) -> Outcome:
    """What an answer of the bank means; raises msgspec.DecodeError when it is no JSON."""
    if status >= _SERVER_ERROR or status in _UNDECIDED:
        return Unknown(f"http_{status}")
    document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if status >= _CLIENT_ERROR:
        return _refusal_of(status, document)
    if status < _OK:
        return Unknown(f"http_{status}")
    if kind is Kind.REFUND and document["status"] == "failed":
        return Declined(document["failure_reason"] or "unknown", document)
    if document["status"] == "declined":
        return Declined(document["decline_code"] or GENERIC_DECLINE, document)
    return Done(document)


def _refusal_of(status: int, document: dict[str, Any]) -> Outcome:
    code = str(document.get("code", f"http_{status}"))
    if code == _IN_FLIGHT:
        return Unknown(code)
    if status == _DECLINED:
        return Declined(str(document.get("decline_code") or GENERIC_DECLINE), document)
    return Refused(code)


def _trace_headers() -> Mapping[str, str]:
    traceparent = current_traceparent()
    return {} if traceparent is None else {"traceparent": traceparent}
