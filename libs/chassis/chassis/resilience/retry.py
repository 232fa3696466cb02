"""Retries with full jitter, on a budget: a fleet that retries everything finishes off what was only ill."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from chassis.resilience.breaker import CALLS
from chassis.resilience.deadline import current

T = TypeVar("T")


class RetryBudget:
    """A token bucket: each call adds `ratio`, each retry takes 1, at most `burst` are kept.

    So retries add at most that ratio to the load, however much fails. `floor_per_s` keeps a quiet client able
    to retry at all.
    """

    def __init__(
        self,
        *,
        ratio: float = 0.1,
        burst: float = 10.0,
        floor_per_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ratio, self._burst, self._floor_per_s = ratio, burst, floor_per_s
        self._clock = clock
        self._tokens = burst
        self._at = clock()

    def deposit(self) -> None:
        """For every first attempt."""
        self._tokens = min(self._burst, self._tokens + self._ratio)

    def withdraw(self) -> bool:
        """Whether one retry may be made."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._floor_per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def retry(
    make: Callable[[], Awaitable[T]],
    *,
    name: str,
    on: tuple[type[BaseException], ...],
    budget: RetryBudget,
    attempts: int = 3,
    base_s: float = 0.05,
    cap_s: float = 1.0,
) -> T:
    """Calls `make` until it succeeds; waits between 0 and min(cap_s, base_s * 2^n).

    The last error is raised as it is when the attempts, the budget or the request's deadline are used up.
    Retry in one layer only, and nothing that is not idempotent.
    """
    budget.deposit()

    def spent(state: RetryCallState) -> bool:
        deadline = current()
        if deadline is not None and deadline.remaining() <= state.upcoming_sleep:
            return True
        if not budget.withdraw():
            CALLS.labels(name, "retry_refused").inc()
            return True
        CALLS.labels(name, "retried").inc()
        return False

    last = stop_after_attempt(attempts)
    retrying = AsyncRetrying(
        stop=lambda state: last(state) or spent(state),
        wait=wait_random_exponential(multiplier=base_s, max=cap_s),
        retry=retry_if_exception_type(on),
        reraise=True,
    )
    return await retrying(make)
