"""A circuit breaker: when most recent calls failed, the next ones fail at once and the callee gets air."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TypeVar

from chassis.metrics import counter, gauge

T = TypeVar("T")

_STATE = gauge("resilience_breaker_state", "0 closed, 1 half-open, 2 open.", ("name",))
CALLS = counter("resilience_calls_total", "Guarded calls, by what became of them.", ("name", "outcome"))
_SLOTS = 10


class BreakerState(IntEnum):
    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class BreakerOpenError(Exception):
    """The call was not made; `retry_after_s` until the next probe."""

    def __init__(self, name: str, retry_after_s: float) -> None:
        super().__init__(f"breaker {name} is open")
        self.retry_after_s = retry_after_s


class Breaker:
    """Opens when at least `calls_min` calls of the last `window_s` have a failure ratio of `failure_ratio`.

    After `open_s` (doubled at each failed probe, up to `open_max_s`) it lets `probes` calls through; all of
    them must succeed to close it, one failure opens it again.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_ratio: float = 0.5,
        calls_min: int = 10,
        window_s: float = 10.0,
        open_s: float = 1.0,
        open_max_s: float = 30.0,
        probes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.state = BreakerState.CLOSED
        self._failure_ratio = failure_ratio
        self._calls_min = calls_min
        self._open_s, self._open_max_s, self._open_now_s = open_s, open_max_s, open_s
        self._probes = probes
        self._probing = self._probed = 0
        self._reopens_at = 0.0
        self._clock = clock
        self._window = _Window(window_s)
        self._ok, self._failed, self._rejected = (
            CALLS.labels(name, outcome) for outcome in ("ok", "failed", "rejected")
        )
        self._gauge = _STATE.labels(name)

    def allow(self) -> bool:
        """Whether a call may be made now; who makes it must tell `record` or `forget`."""
        if self.state is BreakerState.OPEN and self._clock() >= self._reopens_at:
            self._enter(BreakerState.HALF_OPEN)
            self._probing = self._probed = 0
        if self.state is BreakerState.CLOSED:
            return True
        if self.state is BreakerState.HALF_OPEN and self._probing < self._probes:
            self._probing += 1
            return True
        self._rejected.inc()
        return False

    def record(self, *, ok: bool) -> None:
        (self._ok if ok else self._failed).inc()
        if self.state is BreakerState.HALF_OPEN:
            self._judge_probe(ok=ok)
        elif self.state is BreakerState.CLOSED:
            calls, failures = self._window.add(self._clock(), failed=not ok)
            if not ok and calls >= self._calls_min and failures >= calls * self._failure_ratio:
                self._open()

    def forget(self) -> None:
        """The call ended without a verdict, such as by cancellation: its probe may be made by another."""
        if self.state is BreakerState.HALF_OPEN and self._probing > self._probed:
            self._probing -= 1

    @contextmanager
    def guard(self, *failures: type[BaseException]) -> Iterator[None]:
        """Around one call; those exceptions (default: OSError, TimeoutError) count against the callee.

        Raises BreakerOpenError when it does not let the call through.
        """
        counted = failures or (OSError, TimeoutError)
        if not self.allow():
            raise BreakerOpenError(self.name, max(0.0, self._reopens_at - self._clock()))
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.forget()
            raise
        except counted:
            self.record(ok=False)
            raise
        except BaseException:
            # It answered, if only to say no.
            self.record(ok=True)
            raise
        self.record(ok=True)

    async def call(self, make: Callable[[], Awaitable[T]], *failures: type[BaseException]) -> T:
        with self.guard(*failures):
            return await make()

    def _judge_probe(self, *, ok: bool) -> None:
        if not ok:
            self._open_now_s = min(self._open_now_s * 2, self._open_max_s)
            self._open()
            return
        self._probed += 1
        if self._probed >= self._probes:
            self._open_now_s = self._open_s
            self._window.clear()
            self._enter(BreakerState.CLOSED)

    def _open(self) -> None:
        self._reopens_at = self._clock() + self._open_now_s
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self._gauge.set(state)


class _Window:
    """Calls and failures of the last `window_s`, in ten slots of time."""

    def __init__(self, window_s: float) -> None:
        self._slot_s = window_s / _SLOTS
        self._slots: dict[int, list[int]] = {}

    def add(self, now: float, *, failed: bool) -> tuple[int, int]:
        """Calls and failures in the window, this one included."""
        number = int(now / self._slot_s)
        slot = self._slots.get(number)
        if slot is None:
            self._slots = {n: s for n, s in self._slots.items() if n > number - _SLOTS}
            slot = self._slots[number] = [0, 0]
        slot[0] += 1
        slot[1] += failed
        return sum(s[0] for s in self._slots.values()), sum(s[1] for s in self._slots.values())

    def clear(self) -> None:
        self._slots.clear()
