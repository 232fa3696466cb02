"""A run's results as points."""

import json
from typing import Any

from loadtests import results
from tests.unit.loadtests.test_report import make_summary

AT_MS = 1_700_000_000_000


def pushed(summary: dict[str, Any]) -> dict[tuple[str, str, str], float]:
    """(name, operation, quantile) -> value."""
    found = list(results.points(summary, AT_MS))
    assert all(one["timestamp_ms"] == AT_MS and one["labels"]["scenario"] == "shortener" for one in found)
    assert len(json.dumps({"points": found}, allow_nan=False)) < 100_000
    values = {
        (one["name"], one["labels"].get("operation", ""), one["labels"].get("quantile", "")): one["value"]
        for one in found
    }
    assert len(values) == len(found), "no two points are of one series"
    return values


def test_every_operation_tells_its_counts_and_its_quantiles_in_seconds() -> None:
    values = pushed(make_summary())
    assert values["load_requests", "redirect", ""] == 1001
    assert values["load_errors", "redirect", ""] == 1
    assert round(values["load_latency_seconds", "redirect", "0.5"], 3) == 0.002
    assert round(values["load_latency_seconds", "all", "1"], 1) == 1.0


def test_a_run_tells_whether_it_held() -> None:
    held, broken, void = (
        pushed(make_summary(**changed)) for changed in ({}, {"p99_limit_ms": 1}, {"lag_s": 0.2})
    )
    assert (held["load_limits_broken", "", ""], broken["load_limits_broken", "", ""]) == (0, 1)
    assert (held["load_generator_saturated", "", ""], void["load_generator_saturated", "", ""]) == (0, 1)
    assert held["load_scheduled_per_second", "", ""] == 100


def test_without_an_address_nothing_is_sent_and_it_is_said() -> None:
    assert "stay here" in results.push(make_summary(), {})
    assert "loopback" in results.push(
        make_summary(), {"METRICS_URL": "http://192.0.2.1:80", "METRICS_API_KEY": "k"}
    )
