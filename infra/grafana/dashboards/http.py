"""Panels that the overview of every HTTP service has: its routes in numbers, its promises."""

from typing import Any

from infra.grafana.dashboards.panels import Column, Query, dial, lines, rows

HTTP = "http_server_request_duration_seconds"
PERCENTILES = {"p50": "green", "p95": "yellow", "p99": "orange"}


def routes(selector: str) -> Any:
    """A row for each method and route that was asked for within 5 minutes."""
    by = "by (method, route)"
    asked = f"sum {by} (rate({HTTP}_count{{{selector}}}[5m]))"
    failed = f'sum {by} (rate({HTTP}_count{{{selector}, status=~"5.."}}[5m]))'
    buckets = f"sum by (method, route, le) (rate({HTTP}_bucket{{{selector}}}[5m]))"
    latencies = [
        Column(Query(f"histogram_quantile({q}, {buckets}) and {asked} > 0", name), "s", 2)
        for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    ]
    return rows(
        "Routes, 5 minutes",
        [
            Column(Query(f"{asked} > 0", "Requests/s"), "reqps", 2),
            Column(
                Query(f"({failed} or 0 * {asked}) / ({asked} > 0)", "Failed"),
                "percentunit",
                2,
                [(None, "green"), (0.001, "red")],
            ),
            *latencies,
        ],
        labels={"method": "Method", "route": "Route"},
        height=9,
    )


def budget_left(selector: str, *, span: int = 7) -> Any:
    return dial(
        "Error budget left, 30 d",
        [Query(f"clamp_min(slo:budget_remaining:ratio30d{{{selector}}}, 0)", "{{slo}}")],
        steps=[(None, "red"), (0.1, "orange"), (0.5, "yellow"), (0.75, "green")],
        span=span,
    )


def burn_rate(selector: str, *, span: int = 9) -> Any:
    return lines(
        "Burn rate, 5 m",
        [Query(f"slo:burn_rate:rate5m{{{selector}}}", "{{slo}}")],
        about="1 spends the budget of 30 days in 30 days. 14.4 over an hour pages.",
        span=span,
        limits=[(None, "transparent"), (14.4, "red")],
    )
