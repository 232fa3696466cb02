"""SLO: how much of each promise is left and how fast it is being spent."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.panels import (
    Column,
    Query,
    bars,
    board,
    choice,
    dial,
    lines,
    number,
    or_zero,
    row,
    rows,
)

BUDGET = [(None, "red"), (0.1, "orange"), (0.5, "yellow"), (0.75, "green")]
BURN = [(None, "green"), (1.0, "yellow"), (6.0, "orange"), (14.4, "red")]
WHICH = 'slo=~"$slo"'


def build() -> dashboard.Dashboard:
    made = board(
        "slo",
        "SLO",
        "Error budgets of 30 days and how fast they burn",
        variables=[choice("slo", "SLO", "label_values(slo:objective:ratio, slo)")],
    )
    _now(made)
    _burn(made)
    return made


def _now(made: dashboard.Dashboard) -> None:
    made.with_row(row("Now"))
    made.with_panel(
        number(
            "Alerts firing",
            Query(or_zero('count(ALERTS{alertstate="firing"})')),
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        number(
            "Pages firing",
            Query(or_zero('count(ALERTS{alertstate="firing", severity="page"})')),
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        number(
            "Promises broken",
            Query(or_zero("count(slo:budget_remaining:ratio30d < 0)")),
            about="SLOs whose budget of 30 days is spent.",
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        number(
            "Fastest burn, 1 h",
            Query(f"max(slo:burn_rate:rate1h{{{WHICH}}})"),
            about="1 spends the budget of 30 days in exactly 30 days; 14.4 pages.",
            decimals=2,
            steps=BURN,
        )
    )
    made.with_panel(
        number(
            "Least budget left",
            Query(f"min(slo:budget_remaining:ratio30d{{{WHICH}}})"),
            unit="percentunit",
            decimals=1,
            steps=BUDGET,
        )
    )
    made.with_panel(
        number("Requests that count", Query(f"sum(slo:requests:rate5m{{{WHICH}}})"), unit="reqps", decimals=1)
    )
    made.with_panel(
        dial(
            "Error budget left, 30 d",
            [Query(f"clamp_min(slo:budget_remaining:ratio30d{{{WHICH}}}, 0)", "{{slo}}")],
            about="Of what Prometheus keeps, 30 days at most. Zero: the promise is broken.",
            steps=BUDGET,
            span=14,
        )
    )
    made.with_panel(
        bars(
            "Burn rate by window, worst SLO",
            [
                Query(f"max(slo:burn_rate:rate{window}{{{WHICH}}})", window)
                for window in ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
            ],
            about="Alerts look at pairs: 1h with 5m, 6h with 30m, 1d with 2h, 3d with 6h.",
            span=10,
            top=20,
            decimals=2,
            steps=BURN,
        )
    )
    made.with_panel(
        rows(
            "Promises",
            [
                Column(Query(f"slo:objective:ratio{{{WHICH}}}", "Objective"), unit="percentunit", decimals=1),
                Column(Query(f"1 - slo:error_ratio:rate1h{{{WHICH}}}", "Kept, 1 h"), "percentunit", 3),
                Column(Query(f"1 - slo:error_ratio:rate3d{{{WHICH}}}", "Kept, 3 d"), "percentunit", 3),
                Column(Query(f"slo:requests:rate5m{{{WHICH}}}", "Requests/s"), unit="reqps", decimals=1),
                Column(Query(f"slo:burn_rate:rate5m{{{WHICH}}}", "Burn, 5 m"), decimals=2, steps=BURN),
                Column(Query(f"slo:burn_rate:rate1h{{{WHICH}}}", "Burn, 1 h"), decimals=2, steps=BURN),
                Column(Query(f"slo:burn_rate:rate6h{{{WHICH}}}", "Burn, 6 h"), decimals=2, steps=BURN),
                Column(
                    Query(f"slo:budget_remaining:ratio30d{{{WHICH}}}", "Budget left"),
                    unit="percentunit",
                    decimals=1,
                    steps=BUDGET,
                ),
            ],
            labels={"service": "Service", "slo": "SLO"},
            height=7,
        )
    )


def _burn(made: dashboard.Dashboard) -> None:
    made.with_row(row("Over time"))
    made.with_panel(
        lines(
            "Burn rate, 5 m",
            [Query(f"slo:burn_rate:rate5m{{{WHICH}}}", "{{slo}}")],
            about="What happens now.",
            limits=[(None, "transparent"), (14.4, "red")],
        )
    )
    made.with_panel(
        lines(
            "Burn rate, 1 h",
            [Query(f"slo:burn_rate:rate1h{{{WHICH}}}", "{{slo}}")],
            about="Above 14.4 for both 1 h and 5 m: a page.",
            limits=[(None, "transparent"), (14.4, "red")],
        )
    )
    made.with_panel(
        lines(
            "Bad requests",
            [Query(f"slo:error_ratio:rate5m{{{WHICH}}}", "{{slo}}")],
            unit="percentunit",
            about="Share of requests that broke the promise, over 5 minutes.",
        )
    )
    made.with_panel(
        lines(
            "Requests that count",
            [Query(f"slo:requests:rate5m{{{WHICH}}}", "{{slo}}")],
            unit="reqps",
            about="The denominators.",
        )
    )
