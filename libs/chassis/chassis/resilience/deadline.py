"""The deadline of the request in progress: set at the edge, read by every call, sent on to callees."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.envelope import Refuse, refuse
from chassis.problems import DeadlineExceeded

HEADER = "X-Request-Deadline-Ms"
_HEADER_RAW = HEADER.lower().encode()
_MILLISECONDS = re.compile(rb"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock; it travels as milliseconds left, so clocks need not agree."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.remaining() <= 0

    @contextmanager
    def use(self) -> Iterator["Deadline"]:
        """Makes it the current one inside; never later than the one already current."""
        outer = _current.get()
        inner = self if outer is None or self.at < outer.at else outer
        token = _current.set(inner)
        try:
            yield inner
        finally:
            _current.reset(token)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def current() -> Deadline | None:
    return _current.get()


def time_left(at_most_s: float) -> float:
    """The timeout of one call in seconds, at most what the deadline leaves. Raises DeadlineExceeded."""
    deadline = _current.get()
    if deadline is None:
        return at_most_s
    left = deadline.remaining()
    if left <= 0:
        raise DeadlineExceeded
    return min(at_most_s, left)


def headers() -> dict[str, str]:
    """What to add to an outgoing request; empty without a deadline."""
    deadline = _current.get()
    return {} if deadline is None else {HEADER: str(int(deadline.remaining() * 1000))}


class DeadlineMiddleware:
    """Gives every request a deadline, the earlier of the caller's and ours; answers 504 when it passes.

    It covers the time until the answer starts; a stream that has begun may go on.
    """

    def __init__(self, app: ASGIApp, *, timeout_s: float, refuse: Refuse = refuse) -> None:
        self._app = app
        self._refuse = refuse
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sender(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                timer.reschedule(None)
            await send(message)

        timeout_s = self._budget_s(scope)
        token = _current.set(Deadline.after(timeout_s))
        timer = asyncio.timeout(timeout_s)
        try:
            async with timer:
                await self._app(scope, receive, sender)
        except TimeoutError:
            if started or not timer.expired():
                raise
            await self._refuse(scope, send, DeadlineExceeded())
        finally:
            _current.reset(token)

    def _budget_s(self, scope: Scope) -> float:
        for name, value in scope["headers"]:
            if name == _HEADER_RAW and _MILLISECONDS.fullmatch(value):
                return min(int(value) / 1000, self._timeout_s)
        return self._timeout_s
