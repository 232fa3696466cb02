"""Notices by webhook: signed by Standard Webhooks, to addresses that are judged before they are dialled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from chassis import egress, weburls
from chassis.egress import Resolver
from chassis.posts import ADDRESS_REFUSED, Posts, Reply
from chassis.resilience import Bulkhead, BulkheadFullError
from chassis.retry import Permanent, Transient
from chassis.telemetry import current_traceparent
from chassis.weburls import Allowed, UrlRefused
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from standardwebhooks import Webhook

from notifications.domain.orders import Order
from notifications.settings import NotificationsSettings

_tracer = trace.get_tracer(__name__)

USER_AGENT: Final = "Signalbox-Notices/1.0"
_SUCCESS: Final = range(200, 300)
_SERVER_ERROR: Final = 500
_PASSING: Final = frozenset({408, 425, 429})


class Webhooks:
    """No breaker: receivers are strangers to one another. The bulkhead keeps silent ones to a part of us."""

    def __init__(
        self, settings: NotificationsSettings, posts: Posts, allowed: Allowed, signer: Webhook
    ) -> None:
        self._posts = posts
        self._allowed = allowed
        self._signer = signer
        self._bulkhead = Bulkhead(
            "webhooks",
            calls_max=settings.webhook_calls_max,
            queue_max=settings.deliveries_max,
            queue_timeout_s=settings.webhook_queue_timeout_s,
        )

    async def send(self, url: str, order: Order, event_id: str) -> None:
        """Raises Transient and Permanent."""
        try:
            target = weburls.parse(url, self._allowed)
        except UrlRefused as refused:
            raise Permanent(f"the webhook's URL is refused: {refused.code}") from refused
        body = msgspec.json.encode(payload_of(order))
        try:
            async with self._bulkhead.slot():
                with _tracer.start_as_current_span("webhook send", kind=SpanKind.CLIENT):
                    reply = await self._posts.send(target, self._headers(event_id, body), body)
        except BulkheadFullError as error:
            raise Transient("not tried: too many webhooks are under way") from error
        judge(reply)

    def _headers(self, event_id: str, body: bytes) -> dict[str, str]:
        at = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(event_id, at, body.decode()),
        }
        traceparent = current_traceparent()
        return headers if traceparent is None else {**headers, "traceparent": traceparent}


def payload_of(order: Order) -> dict[str, Any]:
    """`type`, `timestamp` and `data`, as Standard Webhooks advises."""
    return {
        "type": f"order.{order.status}",
        "timestamp": order.at,
        "data": {
            "id": order.order_id,
            "status": order.status,
            "reason": order.reason,
            "version": order.version,
            "customer_id": order.customer_id,
            "currency": order.currency,
            "amount": order.amount,
            "lines": order.lines,
        },
    }


def judge(reply: Reply) -> None:
    """2xx is received; what may be different later is Transient; a redirect is a refusal, never followed."""
    status = reply.status
    if status is None:
        kind = Permanent if reply.error == ADDRESS_REFUSED else Transient
        raise kind(f"the webhook's receiver: {reply.error}")
    if status in _SUCCESS:
        return
    if status >= _SERVER_ERROR or status in _PASSING:
        raise Transient(f"the webhook's receiver answered {status}")
    raise Permanent(f"the webhook's receiver refused with {status}")


@asynccontextmanager
async def webhooks_of(
    settings: NotificationsSettings, *, resolver: Resolver = egress.resolve
) -> AsyncIterator[Webhooks | None]:
    """None without a secret: what is not signed is not sent."""
    if settings.webhook_secret is None:
        yield None
        return
    allowed = Allowed.of(settings.webhook_allowed_hosts.split(","))
    posts = Posts(
        connections_max=settings.webhook_calls_max,
        connect_timeout_s=settings.webhook_connect_timeout_s,
        timeout_s=settings.webhook_timeout_s,
        excerpt_chars_max=0,
        allowed=allowed,
        resolver=resolver,
    )
    async with posts:
        yield Webhooks(settings, posts, allowed, Webhook(settings.webhook_secret.get_secret_value()))
