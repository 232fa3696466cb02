"""What a run saw: HDR histograms per operation, from the intended start and from the actual one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

LATENCY_US_MAX = 3_600_000_000
PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
SLICES_MAX = 120
# An answer counts for the achieved rate when it came before the schedule ended, or this much later.
IN_TIME_GRACE_S = 1.0


def new_histogram(digits: int = 3) -> HdrHistogram:
    """Values are microseconds, from 1 to one hour."""
    return HdrHistogram(1, LATENCY_US_MAX, digits)


def to_us(seconds: float) -> int:
    return min(max(1, round(seconds * 1e6)), LATENCY_US_MAX)


@dataclass(slots=True)
class Series:
    """One operation: `corrected` runs from the intended start, `service` from the moment it was sent."""

    corrected: HdrHistogram = field(default_factory=new_histogram)
    service: HdrHistogram = field(default_factory=new_histogram)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return int(self.corrected.get_total_count())

    @property
    def error_count(self) -> int:
        return sum(self.errors.values())

    def merge(self, other: "Series") -> None:
        self.corrected.add(other.corrected)
        self.service.add(other.service)
        self.errors.update(other.errors)


@dataclass(slots=True)
class Slice:
    """A piece of the run, by intended start: latency over time is drawn from these."""

    latency: HdrHistogram = field(default_factory=lambda: new_histogram(digits=2))
    errors: int = 0


class Recorder:
    """Collects outcomes; what is due before `warmup_s` is executed but not counted."""

    def __init__(self, *, duration_s: float, warmup_s: float = 0.0) -> None:
        self.warmup_s = warmup_s
        self.duration_s = duration_s
        self.slice_s = max(0.5, (duration_s - warmup_s) / SLICES_MAX)
        self.series: dict[str, Series] = {}
        self.slices: dict[int, Slice] = {}
        self.lag = new_histogram()
        self.late_starts = 0
        self.late_wait = new_histogram()
        self.unfinished = 0
        self.in_time = 0

    def record(
        self, operation: str, *, due_s: float, started_s: float, ended_s: float, error: str | None
    ) -> None:
        """All times count from the start of the run."""
        if due_s < self.warmup_s:
            return
        series = self._series(operation)
        latency_us = to_us(ended_s - due_s)
        series.corrected.record_value(latency_us)
        series.service.record_value(to_us(ended_s - started_s))
        piece = self.slices.setdefault(int((due_s - self.warmup_s) / self.slice_s), Slice())
        piece.latency.record_value(latency_us)
        if error is not None:
            series.errors[error] += 1
            piece.errors += 1
        elif ended_s <= self.duration_s + IN_TIME_GRACE_S:
            self.in_time += 1

    def record_unfinished(self, operation: str, *, due_s: float, now_s: float) -> None:
        """The run ended first: the wait so far is a lower bound of its latency, and it is an error."""
        if due_s < self.warmup_s:
            return
        self.unfinished += 1
        self.record(operation, due_s=due_s, started_s=due_s, ended_s=now_s, error="unfinished")

    def record_late_start(self, *, due_s: float, started_s: float) -> None:
        """No worker was free when the arrival was due; the wait is part of its latency."""
        if due_s >= self.warmup_s:
            self.late_starts += 1
            self.late_wait.record_value(to_us(started_s - due_s))

    def record_lag(self, lag_s: float) -> None:
        """The generator woke late though a worker was free: its own fault, not the server's."""
        self.lag.record_value(to_us(lag_s))

    def total(self) -> Series:
        merged = Series()
        for series in self.series.values():
            merged.merge(series)
        return merged

    def _series(self, operation: str) -> Series:
        series = self.series.get(operation)
        if series is None:
            series = self.series[operation] = Series()
        return series


def percentiles_ms(histogram: HdrHistogram) -> dict[str, float]:
    """{"p50": 1.2, ..., "max": 9.0}; empty when nothing was recorded."""
    if not histogram.get_total_count():
        return {}
    values = {f"p{rank:g}": histogram.get_value_at_percentile(rank) / 1000 for rank in PERCENTILES}
    return values | {"max": histogram.get_max_value() / 1000, "mean": histogram.get_mean_value() / 1000}


def percentile_curve(histogram: HdrHistogram, *, points_max: int = 80) -> list[tuple[float, float]]:
    """(nines, latency in ms) from the median to the maximum; nines = -log10(1 - p)."""
    total = histogram.get_total_count()
    if not total:
        return []
    curve = []
    for step in range(points_max + 1):
        nines = 0.30103 + step * 0.06
        tail = 10**-nines
        if tail * total < 1:
            break
        curve.append((nines, histogram.get_value_at_percentile(100 * (1 - tail)) / 1000))
    return curve


def error_mapping(errors: Mapping[str, int]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(errors.items(), key=lambda item: -item[1]))
