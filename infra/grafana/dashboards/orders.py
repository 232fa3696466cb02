"""Orders: what customers get, where orders are, and the stock, money and notices that they move."""

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

REPLICA = 'job="orders", instance=~"$instance"'
API = f'{REPLICA}, route=~"/v1/.+"'
PLACING = f'{REPLICA}, method="POST", route="/v1/orders"'
FAILED = f'{API}, status=~"5.."'
# Most of it in the worker; a cancel moves a saga in the API.
SAGA = 'job=~"orders|orders-worker"'
STOCK = 'job=~"inventory|inventory-worker"'
NOTICES = 'job="notifications-worker"'
FINISHED = "orders_placed_to_finished_seconds"

ENDS = {"completed": "green", "rejected": "orange", "cancelled": "purple"}
LATE = [(None, "transparent"), (120, "red")]


def build() -> dashboard.Dashboard:
    made = board(
        "orders",
        "Orders",
        "Orders by their end, sagas, calls to payments, stock and notices",
        variables=[choice("instance", "Replica", 'label_values(up{job="orders"}, instance)')],
    )
    _numbers(made)
    _business(made)
    _sagas(made)
    _payments(made)
    _stock(made)
    _notices(made)
    _promises(made)
    made.with_row(row("Routes"))
    made.with_panel(routes(API))
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number("Placed", Query(or_zero(rate("orders_placed_total", REPLICA))), unit="ops", decimals=1)
    )
    made.with_panel(
        number(
            "Completed",
            Query(
                f"({or_zero(_finished('completed'))}) / clamp_min({or_zero(_finished())}, 1e-9)",
            ),
            unit="percentunit",
            about="Of the orders that ended in the last 5 minutes.",
            decimals=1,
        )
    )
    made.with_panel(
        number(
            "Placed to finished, p99",
            percentiles(FINISHED, SAGA)[2],
            unit="s",
            about="Promise: 99 % within 10 s.",
            steps=[(None, "green"), (5, "yellow"), (10, "red")],
        )
    )
    made.with_panel(
        number(
            "In flight",
            Query(or_zero(f"sum(max by (state) (orders_in_flight{{{SAGA}}}))")),
            about="Orders without an end yet.",
        )
    )
    made.with_panel(
        number(
            "Oldest in flight",
            Query(or_zero(f"max(orders_saga_oldest_age_seconds{{{SAGA}}})")),
            unit="s",
            decimals=1,
            steps=[(None, "green"), (60, "yellow"), (120, "red")],
        )
    )
    made.with_panel(
        number(
            "Stuck",
            Query(or_zero(f"max(orders_sagas_stuck{{{SAGA}}})")),
            about="In one state for over five minutes, or in need of a hand.",
            steps=[(None, "green"), (1, "red")],
            sparkline=False,
        )
    )


def _finished(status: str = "") -> str:
    only = f', status="{status}"' if status else ""
    return f"sum(rate(orders_finished_total{{{SAGA}{only}}}[5m]))"


def _business(made: dashboard.Dashboard) -> None:
    made.with_row(row("Orders by end"))
    made.with_panel(
        lines(
            "Placed and finished",
            [
                Query(or_zero(rate("orders_placed_total", REPLICA)), "placed"),
                Query(
                    or_zero(rate("orders_finished_total", SAGA, "status"), "status"),
                    "{{status}}",
                ),
            ],
            unit="ops",
            span=9,
            colors=ENDS,
        )
    )
    made.with_panel(
        lines(
            "Placed to finished",
            percentiles(FINISHED, SAGA),
            unit="s",
            about="From the customer's request to the order's one end. Dots open the trace of an order.",
            span=8,
            limits=[(None, "transparent"), (10, "red")],
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        bars(
            "Ends in the range",
            [
                Query(
                    or_zero(
                        f"sum by (status, reason) (increase(orders_finished_total{{{SAGA}}}[$__range]))",
                        "status",
                    ),
                    "{{status}} {{reason}}",
                )
            ],
            about="With the reason where an order was rejected.",
            span=7,
            decimals=0,
        )
    )
    made.with_panel(
        lines(
            "Placing an order",
            percentiles(HTTP, PLACING),
            unit="s",
            about="What the customer waits for: one transaction, nothing else.",
            colors=PERCENTILES,
        )
    )
    made.with_panel(heat("Placed to finished, distribution", FINISHED, SAGA))


def _sagas(made: dashboard.Dashboard) -> None:
    made.with_row(row("Sagas"))
    made.with_panel(
        lines(
            "Orders by state",
            [Query(or_zero(f"max by (state) (orders_in_flight{{{SAGA}}})", "state"), "{{state}}")],
            span=8,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Oldest by state",
            [
                Query(
                    or_zero(f"max by (state) (orders_saga_oldest_age_seconds{{{SAGA}}})", "state"),
                    "{{state}}",
                )
            ],
            unit="s",
            about="Time in the state. Above five minutes an order is stuck, and pages.",
            span=8,
            limits=LATE,
        )
    )
    made.with_panel(
        lines(
            "Overdue and ignored",
            [
                Query(or_zero(rate("orders_step_overdue_total", SAGA, "step"), "step"), "overdue: {{step}}"),
                Query(
                    or_zero(rate("orders_saga_ignored_total", SAGA, "reason"), "reason"),
                    "ignored: {{reason}}",
                ),
            ],
            unit="ops",
            about="Overdue steps are asked for again; late and repeated replies change nothing.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Transitions",
            [
                Query(
                    or_zero(rate("orders_saga_transitions_total", SAGA, "from, to"), "to"),
                    "{{from}} to {{to}}",
                )
            ],
            unit="ops",
            span=24,
        )
    )


def _payments(made: dashboard.Dashboard) -> None:
    made.with_row(row("Payments"))
    made.with_panel(
        lines(
            "Calls by outcome",
            [
                Query(
                    or_zero(rate("orders_payment_calls_total", SAGA, "operation, outcome"), "operation"),
                    "{{operation}} {{outcome}}",
                )
            ],
            unit="ops",
            about="An unknown outcome is asked for again, with the same key.",
            span=9,
        )
    )
    made.with_panel(
        lines(
            "Call latency",
            percentiles("orders_payment_call_seconds", SAGA),
            unit="s",
            about="As orders sees it: payments and the bank.",
            span=8,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Breakers",
            [Query(or_zero(f"max by (name) (resilience_breaker_state{{{SAGA}}})", "name"), "{{name}}")],
            about="0 closed, 1 half open, 2 open.",
            span=7,
            ceiling=2,
        )
    )


def _stock(made: dashboard.Dashboard) -> None:
    made.with_row(row("Stock"))
    made.with_panel(
        lines(
            "Reservations by outcome",
            [by_label("inventory_reservations_total", STOCK, "outcome")],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Held, and expired a second",
            [
                Query(or_zero(f"max(inventory_reservations_held{{{STOCK}}})"), "held"),
                Query(or_zero(rate("inventory_reservations_expired_total", STOCK)), "expired a second"),
            ],
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Orders applied in one transaction",
            percentiles("inventory_batch_orders", STOCK),
            about="The whole fetch is one transaction: the more wait, the larger it is.",
            span=8,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        bars(
            "Units",
            [Query(or_zero(f"max by (kind) (inventory_stock_units{{{STOCK}}})", "kind"), "{{kind}}")],
            about="Over all products and tenants.",
            span=12,
            decimals=0,
        )
    )
    made.with_panel(
        number(
            "Oversold",
            Query(or_zero(f"max(inventory_oversold{{{STOCK}}})")),
            about="Units that were promised or sold and never came in: 0, always.",
            span=12,
            steps=[(None, "green"), (1, "red")],
            sparkline=False,
        )
    )


def _notices(made: dashboard.Dashboard) -> None:
    made.with_row(row("Notices"))
    made.with_panel(
        lines(
            "Sent by channel",
            [
                Query(
                    or_zero(rate("notifications_sent_total", NOTICES, "channel, outcome"), "channel"),
                    "{{channel}} {{outcome}}",
                )
            ],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Time of a notice",
            percentiles("notifications_send_seconds", NOTICES),
            unit="s",
            about="The mail server's or the shop's time, mostly.",
            span=8,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Tracking links",
            [by_label("notifications_links_total", NOTICES, "outcome")],
            unit="ops",
            about="Made by the shortener.",
            span=8,
        )
    )


def _promises(made: dashboard.Dashboard) -> None:
    made.with_row(row("Errors and promises"))
    made.with_panel(budget_left('service="orders"'))
    made.with_panel(burn_rate('service="orders"'))
    made.with_panel(
        lines(
            "Failures",
            [by_label(f"{HTTP}_count", FAILED, "route")],
            unit="reqps",
            about="5xx answers by route.",
            span=8,
        )
    )
