"""Payments, overview: what merchants get, and what became of the money. Causes are on the next dashboard."""

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

REPLICA = 'job="payments", instance=~"$instance"'
# The worker settles what the API could not: money is counted wherever it was settled.
EITHER = 'job=~"payments|payments-worker"'
API = f'{REPLICA}, route=~"/v1/.+"'
FAILED = f'{API}, status=~"5.."'
ASKS_BANK = "/v1/(payment_intents|payment_intents/[^/]+/(confirm|capture|cancel)|refunds)"
CHARGES = f'{REPLICA}, method="POST", route=~"{ASKS_BANK}"'
DECLINED = f'{EITHER}, outcome="declined"'
CAPTURED = f'{EITHER}, outcome="captured"'

STATUSES = {"200": "green", "400": "yellow", "402": "purple", "409": "blue", "429": "orange", "503": "red"}
OUTCOMES = {"authorised": "blue", "captured": "green", "refunded": "orange", "declined": "purple"}


def build() -> dashboard.Dashboard:
    made = board(
        "payments-overview",
        "Payments: overview",
        "Rate, errors and duration of the API, and the money that moved",
        variables=[choice("instance", "Replica", 'label_values(up{job="payments"}, instance)')],
    )
    _numbers(made)
    _requests(made)
    _money(made)
    _promises(made)
    made.with_row(row("Routes"))
    made.with_panel(routes(API))
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(number("Requests", Query(rate(f"{HTTP}_count", API)), unit="reqps", decimals=1))
    made.with_panel(
        number(
            "Answered well",
            Query(f"1 - ({or_zero(rate(f'{HTTP}_count', FAILED))}) / {rate(f'{HTTP}_count', API)}"),
            unit="percentunit",
            about="Requests that were not answered 5xx. A decline (402) is a right answer.",
            decimals=2,
            steps=[(None, "red"), (0.999, "green")],
        )
    )
    made.with_panel(
        number(
            "Charge p99",
            percentiles(HTTP, CHARGES)[2],
            unit="s",
            about="Of requests that may ask the bank, its time included. Promise: 99 % within 1 s.",
            steps=[(None, "green"), (0.5, "yellow"), (1.0, "red")],
        )
    )
    made.with_panel(
        number(
            "Declined",
            Query(
                f"({or_zero(rate('payments_money_minor_total', DECLINED))}) / clamp_min("
                f"({or_zero(rate('payments_money_minor_total', CAPTURED))})"
                f" + ({or_zero(rate('payments_money_minor_total', DECLINED))}), 1e-9)"
            ),
            unit="percentunit",
            about="Of the money that was asked for, whatever its currency: the share that issuers refused.",
            decimals=1,
        )
    )
    made.with_panel(
        number(
            "Outcomes unknown",
            Query(or_zero(f"max(payments_unknown_outcomes{{{EITHER}}})")),
            about="Calls to the bank that ended without an answer and are not resolved yet.",
            steps=[(None, "green"), (1, "yellow"), (100, "red")],
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


def _requests(made: dashboard.Dashboard) -> None:
    made.with_row(row("Requests"))
    made.with_panel(
        lines(
            "Requests by status",
            [Query(rate(f"{HTTP}_count", API, "status"), "{{status}}")],
            unit="reqps",
            stacked=True,
            colors=STATUSES,
        )
    )
    made.with_panel(
        lines(
            "Latency",
            percentiles(HTTP, API),
            unit="s",
            about="Of all requests. Dots are sampled requests: each opens its trace.",
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Charge latency",
            percentiles(HTTP, CHARGES),
            unit="s",
            about="Confirm, capture, cancel and refund, the bank's time included.",
            limits=[(None, "transparent"), (1.0, "red")],
            colors=PERCENTILES,
        )
    )
    made.with_panel(heat("Charge latency, distribution", HTTP, CHARGES))


def _money(made: dashboard.Dashboard) -> None:
    made.with_row(row("Money"))
    made.with_panel(
        lines(
            "Money by outcome",
            [Query(or_zero(rate("payments_money_minor_total", EITHER, "outcome"), "outcome"), "{{outcome}}")],
            unit="ops",
            about="Minor units a second over all currencies: the shape counts, not the sum.",
            span=9,
            colors=OUTCOMES,
        )
    )
    made.with_panel(
        lines(
            "Intents by status",
            [by_label("payments_intents_total", EITHER, "status")],
            unit="ops",
            about="Statuses that intents came to.",
            span=8,
        )
    )
    made.with_panel(
        bars(
            "Captured by currency",
            [
                Query(
                    or_zero(
                        f"sum by (currency) (increase(payments_money_minor_total{{{CAPTURED}}}[$__range]))",
                        "currency",
                    ),
                    "{{currency}}",
                )
            ],
            about="Minor units in the time range.",
            span=7,
            decimals=0,
        )
    )


def _promises(made: dashboard.Dashboard) -> None:
    made.with_row(row("Errors and promises"))
    made.with_panel(budget_left('service="payments"'))
    made.with_panel(burn_rate('service="payments"'))
    made.with_panel(
        lines(
            "Failures",
            [by_label(f"{HTTP}_count", FAILED, "route")],
            unit="reqps",
            about="5xx answers by route.",
            span=8,
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
                Query(or_zero(rate("resilience_shed_total", REPLICA)), "shed"),
                Query(
                    or_zero(rate("resilience_calls_total", f'{REPLICA}, outcome="rejected"')),
                    "bank not asked",
                ),
            ],
            unit="reqps",
            about="Limits are the caller's doing; the others answer 503 before anything began.",
        )
    )
    made.with_panel(
        lines(
            "Requests in progress",
            [
                Query(f"sum by (instance) (http_server_active_requests{{{REPLICA}}})", "{{instance}}"),
                Query(or_zero(f"sum(resilience_queued_requests{{{REPLICA}}})"), "waiting for a turn"),
            ],
        )
    )
