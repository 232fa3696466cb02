"""A run as plain data: what the JSON file holds and the report draws."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from loadtests.recorder import Recorder, Series, error_mapping, percentile_curve, percentiles_ms
from loadtests.schedule import Schedule
from loadtests.thresholds import Check

LAG_P99_MS_MAX = 20.0


def summarise(
    *,
    scenario: str,
    schedule: Schedule,
    recorder: Recorder,
    checks: Sequence[Check],
    workers: int,
    wall_s: float,
    generator_cpu_s: float,
    locust_p99_ms: float,
    lag_p99_ms_max: float = LAG_P99_MS_MAX,
) -> dict[str, Any]:
    """`saturated` means that the generator, not the server, was the limit: the run proves nothing."""
    total = recorder.total()
    lag = percentiles_ms(recorder.lag)
    counted_s = schedule.duration_s - recorder.warmup_s
    return {
        "scenario": scenario,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "schedule": {
            "rate_per_s": schedule.rate_per_s,
            "duration_s": schedule.duration_s,
            "warmup_s": recorder.warmup_s,
            "arrivals": "poisson" if schedule.poisson else "constant",
            "seed": schedule.seed,
            "mix": dict(schedule.mix),
        },
        "achieved_per_s": recorder.in_time / counted_s,
        "unfinished": recorder.unfinished,
        "late_starts": {"count": recorder.late_starts, **percentiles_ms(recorder.late_wait)},
        "generator": {
            "workers": workers,
            "wall_s": wall_s,
            "cpu_ratio": generator_cpu_s / wall_s if wall_s else 0.0,
            "lag_ms": lag,
            "lag_p99_ms_max": lag_p99_ms_max,
            "saturated": lag.get("p99", 0.0) > lag_p99_ms_max,
        },
        "locust_p99_ms": locust_p99_ms,
        "operations": {"all": _describe(total)}
        | {name: _describe(series) for name, series in sorted(recorder.series.items())},
        "over_time": _over_time(recorder),
        "checks": [
            {
                "operation": check.operation,
                "limit": check.limit,
                "wanted": check.wanted,
                "measured": check.measured,
                "passed": check.passed,
            }
            for check in checks
        ],
    }


def machine() -> dict[str, Any]:
    """Enough to judge a number by; no host name."""
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _describe(series: Series) -> dict[str, Any]:
    return {
        "count": series.count,
        "errors": error_mapping(series.errors),
        "latency_ms": percentiles_ms(series.corrected),
        "service_ms": percentiles_ms(series.service),
        "curve": percentile_curve(series.corrected),
        "service_curve": percentile_curve(series.service),
    }


def _over_time(recorder: Recorder) -> list[Mapping[str, float]]:
    return [
        {
            "at_s": recorder.warmup_s + number * recorder.slice_s,
            "per_s": piece.latency.get_total_count() / recorder.slice_s,
            "errors": piece.errors,
            "p50_ms": piece.latency.get_value_at_percentile(50) / 1000,
            "p99_ms": piece.latency.get_value_at_percentile(99) / 1000,
            "max_ms": piece.latency.get_max_value() / 1000,
        }
        for number, piece in sorted(recorder.slices.items())
    ]


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a device, not a file of ours
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    return os.cpu_count() or 1
