"""Shortener, overview: what its users get. Rate, errors, duration; the cause is on the next dashboard."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.panels import (
    Column,
    Query,
    bars,
    board,
    by_label,
    choice,
    dial,
    heat,
    lines,
    number,
    or_zero,
    percentiles,
    rate,
    row,
    rows,
)

HTTP = "http_server_request_duration_seconds"
REPLICA = 'job="shortener", instance=~"$instance"'
REDIRECT = f'{REPLICA}, route="/{{slug}}"'
FAILED = f'{REDIRECT}, status=~"5.."'
MANAGEMENT = f'{REPLICA}, route=~"/v1/.+"'

TIERS = {"l1": "green", "redis": "blue", "postgres": "orange", "stale": "red", "none": "gray"}
STATUSES = {
    "301": "#37872D",
    "302": "green",
    "307": "#96D98D",
    "308": "#C8F2C2",
    "404": "yellow",
    "410": "purple",
    "429": "orange",
    "503": "red",
    "5xx": "red",
}
SLOW = [(None, "green"), (0.025, "yellow"), (0.05, "red")]


def build() -> dashboard.Dashboard:
    made = board(
        "shortener-overview",
        "Shortener: overview",
        "Rate, errors and duration of redirects and of the management API",
        variables=[choice("instance", "Replica", 'label_values(up{job="shortener"}, instance)')],
    )
    _numbers(made)
    _redirects(made)
    _promises(made)
    _management(made)
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number("Redirects", Query(rate("shortener_redirects_total", REPLICA)), unit="reqps", decimals=1)
    )
    made.with_panel(
        number(
            "Answered well",
            Query(f"1 - ({or_zero(rate(f'{HTTP}_count', FAILED))}) / {rate(f'{HTTP}_count', REDIRECT)}"),
            unit="percentunit",
            about="Redirects that were not answered 5xx. 404 and 410 are right answers.",
            decimals=2,
            steps=[(None, "red"), (0.999, "green")],
        )
    )
    made.with_panel(
        number(
            "Redirect p99",
            percentiles(HTTP, REDIRECT)[2],
            unit="s",
            about="Promise: 99 % within 50 ms.",
            steps=SLOW,
        )
    )
    made.with_panel(
        number("Created", Query(rate("shortener_links_created_total", REPLICA)), unit="ops", decimals=2)
    )
    made.with_panel(
        number(
            "Replicas up",
            Query('sum(up{job="shortener"})'),
            steps=[(None, "red"), (1, "green")],
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Alerts firing",
            Query(or_zero('count(ALERTS{alertstate="firing"})')),
            steps=[(None, "green"), (1, "red")],
            sparkline=False,
        )
    )


def _redirects(made: dashboard.Dashboard) -> None:
    made.with_row(row("Redirects"))
    made.with_panel(
        lines(
            "Redirects by tier",
            [Query(rate("shortener_redirects_total", REPLICA, "tier"), "{{tier}}")],
            unit="reqps",
            about="Where the route was found: in the process, in Redis, in Postgres, or in an expired entry.",
            stacked=True,
            colors=TIERS,
        )
    )
    made.with_panel(
        lines(
            "Redirects by status",
            [Query(rate("shortener_redirects_total", REPLICA, "status"), "{{status}}")],
            unit="reqps",
            stacked=True,
            colors=STATUSES,
        )
    )
    made.with_panel(
        lines(
            "Redirect latency",
            percentiles(HTTP, REDIRECT),
            unit="s",
            about="Dots are sampled requests: each opens its trace.",
            limits=[(None, "transparent"), (0.05, "red")],
            colors={"p50": "green", "p95": "yellow", "p99": "orange"},
        )
    )
    made.with_panel(heat("Redirect latency, distribution", HTTP, REDIRECT))


def _promises(made: dashboard.Dashboard) -> None:
    made.with_row(row("Errors and promises"))
    made.with_panel(
        dial(
            "Error budget left, 30 d",
            [
                Query(
                    'clamp_min(slo:budget_remaining:ratio30d{service="shortener", slo=~"redirect-.+"}, 0)',
                    "{{slo}}",
                )
            ],
            steps=[(None, "red"), (0.1, "orange"), (0.5, "yellow"), (0.75, "green")],
            span=7,
        )
    )
    made.with_panel(
        lines(
            "Burn rate, 5 m",
            [Query('slo:burn_rate:rate5m{service="shortener"}', "{{slo}}")],
            about="1 spends the budget of 30 days in 30 days. 14.4 over an hour pages.",
            span=9,
            limits=[(None, "transparent"), (14.4, "red")],
        )
    )
    made.with_panel(
        lines(
            "Failures",
            [
                by_label(f"{HTTP}_count", f'{REPLICA}, status=~"5.."', "route"),
            ],
            unit="reqps",
            about="5xx answers by route.",
            span=8,
        )
    )
    made.with_panel(
        bars(
            "Share of tiers",
            [
                Query(
                    f"sum by (tier) (rate(shortener_redirects_total{{{REPLICA}}}[5m]))"
                    f" / on () group_left () sum(rate(shortener_redirects_total{{{REPLICA}}}[5m]))",
                    "{{tier}}",
                )
            ],
            unit="percentunit",
            about="Over 5 minutes.",
            span=7,
            top=1,
            decimals=1,
            colors=TIERS,
        )
    )
    made.with_panel(
        lines(
            "Requests in progress",
            [
                Query(f"sum by (instance) (http_server_active_requests{{{REPLICA}}})", "{{instance}}"),
                Query(or_zero(f"sum(resilience_queued_requests{{{REPLICA}}})"), "waiting for a turn"),
            ],
            span=9,
        )
    )
    made.with_panel(
        lines(
            "Refused",
            [
                Query(
                    or_zero(rate("ratelimit_decisions_total", f'{REPLICA}, decision!="allowed"')),
                    "rate limit",
                ),
                Query(or_zero(rate("shortener_quota_refused_total", REPLICA)), "quota"),
                Query(or_zero(rate("resilience_shed_total", REPLICA)), "shed"),
            ],
            unit="reqps",
            about="Limits and quotas are the caller's doing, shedding is ours.",
            span=8,
        )
    )


def _management(made: dashboard.Dashboard) -> None:
    made.with_row(row("Management API"))
    made.with_panel(
        lines(
            "Requests by status",
            [Query(rate(f"{HTTP}_count", MANAGEMENT, "status"), "{{status}}")],
            unit="reqps",
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Latency",
            percentiles(HTTP, MANAGEMENT),
            unit="s",
            about="Promise: 99 % within 250 ms. Dots are sampled requests: each opens its trace.",
            limits=[(None, "transparent"), (0.25, "red")],
            colors={"p50": "green", "p95": "yellow", "p99": "orange"},
        )
    )
    by = "by (method, route)"
    made.with_panel(
        rows(
            "Routes, 5 minutes",
            [
                Column(
                    Query(f"sum {by} (rate({HTTP}_count{{{REPLICA}}}[5m])) > 0", "Requests/s"), "reqps", 2
                ),
                Column(
                    Query(
                        f'(sum {by} (rate({HTTP}_count{{{REPLICA}, status=~"5.."}}[5m]))'
                        f" or 0 * sum {by} (rate({HTTP}_count{{{REPLICA}}}[5m])))"
                        f" / (sum {by} (rate({HTTP}_count{{{REPLICA}}}[5m])) > 0)",
                        "Failed",
                    ),
                    "percentunit",
                    2,
                    [(None, "green"), (0.001, "red")],
                ),
                *(
                    Column(
                        Query(
                            f"histogram_quantile({q}, "
                            f"sum by (method, route, le) (rate({HTTP}_bucket{{{REPLICA}}}[5m])))"
                            f" and sum {by} (rate({HTTP}_count{{{REPLICA}}}[5m])) > 0",
                            name,
                        ),
                        "s",
                        2,
                    )
                    for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
                ),
            ],
            labels={"method": "Method", "route": "Route"},
            height=9,
        )
    )
