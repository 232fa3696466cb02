"""The limits that decide whether a run passed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loadtests.recorder import Recorder, Series

LATENCY_KEYS = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0, "p999_ms": 99.9}
KEYS = frozenset({*LATENCY_KEYS, "error_ratio", "achieved_ratio"})
EVERYTHING = "all"


class ThresholdsError(ValueError):
    """The file names a scenario, operation or limit that does not exist."""


@dataclass(frozen=True, slots=True)
class Check:
    """One limit held against what was measured."""

    operation: str
    limit: str
    wanted: float
    measured: float

    @property
    def passed(self) -> bool:
        return (
            self.measured >= self.wanted if self.limit == "achieved_ratio" else self.measured <= self.wanted
        )


Limits = Mapping[str, Mapping[str, float]]


def load_limits(path: Path, scenario: str, operations: Collection[str]) -> Limits:
    """{"redirect": {"p99_ms": 50.0}, ...}; an unknown name is an error, so that a typo never passes."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    if scenario not in document:
        raise ThresholdsError(f"{path.name} has no limits for {scenario}")
    limits: Limits = document[scenario]
    strangers = set(limits) - set(operations) - {EVERYTHING}
    if strangers:
        raise ThresholdsError(f"{path.name}: {scenario} has no operations {sorted(strangers)}")
    for operation, values in limits.items():
        unknown = set(values) - KEYS
        if unknown:
            raise ThresholdsError(f"{path.name}: {scenario}.{operation} has unknown limits {sorted(unknown)}")
    return limits


def check(limits: Limits, recorder: Recorder) -> list[Check]:
    """An operation that the schedule never drew (a short run) has nothing to be held against."""
    checks = []
    for operation, values in limits.items():
        series = recorder.total() if operation == EVERYTHING else recorder.series.get(operation)
        if series is None:
            continue
        for limit, value in values.items():
            measured = _measure(limit, series, recorder.in_time)
            checks.append(Check(operation, limit, float(value), measured))
    return checks


def _measure(limit: str, series: Series, in_time: int) -> float:
    if not series.count:
        return 0.0 if limit == "achieved_ratio" else float("inf")
    if limit == "achieved_ratio":
        return in_time / series.count
    if limit == "error_ratio":
        return series.error_count / series.count
    return float(series.corrected.get_value_at_percentile(LATENCY_KEYS[limit]) / 1000)
