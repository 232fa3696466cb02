"""Shortener, overview: what its users get. Rate, errors, duration; the cause is on the next dashboard."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.http import HTTP, PERCENTILES, budget_left, burn_rate, routes
from infra.grafana.dashboards.panels import (
    Query,
    bars,
    board,
    by_label,
    choice,
    heat,
    lines,
    number,
    or_zero,
    percentiles,
    rate,
    row,
)

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
            colors=PERCENTILES,
        )
    )
    made.with_panel(heat("Redirect latency, distribution", HTTP, REDIRECT))


def _promises(made: dashboard.Dashboard) -> None:
    made.with_row(row("Errors and promises"))
    made.with_panel(budget_left('service="shortener", slo=~"redirect-.+"'))
    made.with_panel(burn_rate('service="shortener"'))
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
            colors=PERCENTILES,
        )
    )
    made.with_panel(routes(REPLICA))
