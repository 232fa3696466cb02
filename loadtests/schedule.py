"""The open schedule: when each request is meant to start, decided before any answer is known (ADR-0020)."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

ARRIVALS_MAX = 5_000_000
DURATION_S_MAX = 3_600.0


class ScheduleError(ValueError):
    """A rate or duration that the harness refuses."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to be: `due_s` counts from the start of the run."""

    number: int
    due_s: float
    operation: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals at a fixed mean rate; the same seed gives the same times and operations."""

    rate_per_s: float
    duration_s: float
    mix: Mapping[str, float]
    poisson: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        if self.rate_per_s <= 0:
            raise ScheduleError("the rate must be above zero")
        if not 0 < self.duration_s <= DURATION_S_MAX:
            raise ScheduleError(f"the duration must be above zero and at most {DURATION_S_MAX:.0f} s")
        if self.rate_per_s * self.duration_s > ARRIVALS_MAX:
            raise ScheduleError(f"more than {ARRIVALS_MAX} arrivals: lower the rate or the duration")
        if not self.mix or min(self.mix.values()) < 0 or sum(self.mix.values()) <= 0:
            raise ScheduleError("the mix needs operations with weights above zero")

    def arrivals(self) -> Iterator[Arrival]:
        """In order of their due time; times and operations are drawn apart, so either can change alone."""
        names = list(self.mix)
        cumulative = list(accumulate(self.mix.values()))
        chooser = random.Random(self.seed)  # noqa: S311 - a reproducible mix, not a secret
        for number, due_s in enumerate(self._due_times()):
            yield Arrival(number, due_s, chooser.choices(names, cum_weights=cumulative)[0])

    def _due_times(self) -> Iterator[float]:
        if not self.poisson:
            for number in range(round(self.rate_per_s * self.duration_s)):
                yield number / self.rate_per_s
            return
        gaps = random.Random(self.seed + 1)  # noqa: S311 - a reproducible schedule, not a secret
        due_s = gaps.expovariate(self.rate_per_s)
        while due_s < self.duration_s:
            yield due_s
            due_s += gaps.expovariate(self.rate_per_s)
