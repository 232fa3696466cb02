"""An adaptive concurrency limit: it shrinks while latency grows with concurrency, and grows back."""

import math
from collections.abc import Callable
from time import monotonic

from chassis.metrics import gauge

_LIMIT = gauge("resilience_concurrency_limit", "Requests that may run at once.", ("name",))
_TOLERANCE = 2.0
_SMOOTHING = 0.2
_BASELINE_WEIGHT = 0.05
_WINDOW_S = 0.5
_SAMPLES_MIN = 10


class AdaptiveLimit:
    """The gradient rule: limit <- limit * clamp(2 * usual latency / latency now, 0.5, 1) + sqrt(limit).

    Latency up to twice the usual is tolerated; above, the limit falls by that ratio, half a step at most.
    It moves only when it is at least half used: an idle service learns nothing about its limit.
    """

    def __init__(
        self,
        name: str,
        *,
        limit_min: int,
        limit_max: int,
        initial: int | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._min, self._max = limit_min, limit_max
        self._limit = float(min(limit_max, max(limit_min, initial if initial is not None else limit_max)))
        self._clock = clock
        self._usual_s = 0.0
        self._sum_s, self._samples, self._inflight_peak = 0.0, 0, 0
        self._window_ends = clock() + _WINDOW_S
        self._gauge = _LIMIT.labels(name)
        self._gauge.set(self.limit)

    @property
    def limit(self) -> int:
        return int(self._limit)

    def observe(self, latency_s: float, *, inflight: int) -> None:
        """Tells of one request that has ended; `inflight` counts it."""
        self._sum_s += latency_s
        self._samples += 1
        self._inflight_peak = max(self._inflight_peak, inflight)
        now = self._clock()
        if now >= self._window_ends and self._samples >= _SAMPLES_MIN:
            self._adjust(self._sum_s / self._samples)
            self._sum_s, self._samples, self._inflight_peak = 0.0, 0, 0
            self._window_ends = now + _WINDOW_S

    def _adjust(self, latency_s: float) -> None:
        if self._usual_s == 0 or latency_s * 2 < self._usual_s:
            # First sight, or the overload that had become usual is over.
            self._usual_s = latency_s
        else:
            self._usual_s += (latency_s - self._usual_s) * _BASELINE_WEIGHT
        if self._inflight_peak < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, _TOLERANCE * self._usual_s / max(latency_s, 1e-6)))
        target = self._limit * gradient + math.sqrt(self._limit)
        smoothed = self._limit + (target - self._limit) * _SMOOTHING
        self._limit = max(float(self._min), min(float(self._max), smoothed))
        self._gauge.set(self.limit)
