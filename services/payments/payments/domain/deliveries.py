"""A delivery: one event on its way to one endpoint, its attempts and when the next one is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chassis.retry import pause_s

GONE: Final = 410  # the receiver wants nothing more, ever
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`status` is the receiver's, None without an answer; `response` an excerpt; `error` one word."""

    number: int
    started_at: datetime
    duration_ms: int
    status: int | None = None
    error: str | None = None
    response: str | None = None

    @property
    def delivered(self) -> bool:
        return self.error is None and self.status in _SUCCESS

    @property
    def outcome(self) -> str:
        """One word for metrics and logs."""
        if self.delivered:
            return "delivered"
        return self.error or ("gone" if self.status == GONE else "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    endpoint_id: str
    event_id: str
    state: str
    attempts: int
    next_attempt_at: datetime
    created_at: datetime
    finished_at: datetime | None
    log: Sequence[Attempt] = ()

    @property
    def id(self) -> str:
        return delivery_id(self.event_id, self.endpoint_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Retries: exponential with jitter, the first within `first_s`, pauses up to `pause_max_s`."""

    first_s: float
    pause_max_s: float

    def next_attempt_at(self, tries: int, now: datetime, give_up_at: datetime) -> datetime | None:
        """When to try again after `tries` failed ones; None: never. The last try falls on the deadline."""
        if now >= give_up_at:
            return None
        pause = timedelta(seconds=pause_s(tries, first_s=self.first_s, most_s=self.pause_max_s))
        return min(now + pause, give_up_at)


def delivery_id(event_id: str, endpoint_id: str) -> str:
    """Made of both ids: there is one delivery an event and endpoint."""
    return f"whd_{event_id.removeprefix('evt_')}_{endpoint_id.removeprefix('we_')}"


def event_of(delivery: str) -> str | None:
    """The event's id; None for what is no delivery's id."""
    prefix, _, rest = delivery.partition("_")
    event, _, endpoint = rest.partition("_")
    return f"evt_{event}" if prefix == "whd" and event and endpoint else None


def render(delivery: Delivery) -> dict[str, Any]:
    pending = delivery.state == "pending"
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "attempts": [_render_attempt(attempt) for attempt in delivery.log],
        "attempts_made": delivery.attempts,
        "created": int(delivery.created_at.timestamp()),
        "event": delivery.event_id,
        "finished": int(delivery.finished_at.timestamp()) if delivery.finished_at is not None else None,
        "livemode": False,
        "next_attempt": int(delivery.next_attempt_at.timestamp()) if pending else None,
        "status": delivery.state,
        "webhook_endpoint": delivery.endpoint_id,
    }


def _render_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "created": int(attempt.started_at.timestamp()),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "response": attempt.response,
    }
