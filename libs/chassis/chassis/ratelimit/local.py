"""Limits of one process: for when Redis is away, or need not be asked."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from chassis.ratelimit.limits import Decision, Limit, decide, refuse_the_impossible


class LocalLimiter:
    """GCRA in this process alone, over the last `size_max` keys; `share` is its part of each limit."""

    def __init__(
        self,
        *,
        size_max: int = 10_000,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size_max = size_max
        self._share = share
        self._clock = clock
        self._tats: OrderedDict[str, float] = OrderedDict()

    def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        """All limits or none, like the script in Redis."""
        refuse_the_impossible(limits, cost)
        now = self._clock() * 1_000_000
        states = [self._state(limit, cost, now) for limit in limits]
        allowed = all(over <= 0 for _, _, over, _ in states)
        answer = [int(allowed)]
        for limit, (tat, new, over, interval) in zip(limits, states, strict=True):
            at = new if allowed else tat
            if allowed:
                self._remember(limit.storage_key, new)
            answer += [
                math.floor(self._burst(limit) - (at - now) / interval),
                max(0, math.ceil(over)),
                math.ceil(at - now),
            ]
        return decide(limits, answer)

    def _burst(self, limit: Limit) -> int:
        return max(1, math.floor(limit.burst * self._share))

    def _state(self, limit: Limit, cost: int, now: float) -> tuple[float, float, float, float]:
        interval = limit.interval_us / self._share
        tat = max(self._tats.get(limit.storage_key, 0.0), now)
        new = tat + cost * interval
        return tat, new, new - now - self._burst(limit) * interval, interval

    def _remember(self, key: str, tat: float) -> None:
        self._tats[key] = tat
        self._tats.move_to_end(key)
        if len(self._tats) > self._size_max:
            self._tats.popitem(last=False)
