"""Payments, internals: unknown outcomes, idempotency keys, the bank, webhooks, the ledger and the outbox."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.http import PERCENTILES
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

BOTH = 'job=~"payments|payments-worker", instance=~"$instance"'
BANK = 'job="bank"'
REPLAYED = f'{BOTH}, outcome="replay"'
OLD = [(None, "transparent"), (60, "red")]


def build() -> dashboard.Dashboard:
    made = board(
        "payments-internals",
        "Payments: internals",
        "Unknown outcomes, idempotency keys, bank, webhooks, ledger and outbox",
        variables=[
            choice("instance", "Process", 'label_values(up{job=~"payments|payments-worker"}, instance)'),
        ],
    )
    _numbers(made)
    _outcomes(made)
    _bank(made)
    _webhooks(made)
    _ledger(made)
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number(
            "Oldest unknown",
            Query(or_zero(f"max(payments_unknown_outcome_oldest_age_seconds{{{BOTH}}})")),
            unit="s",
            about="Age of the oldest call to the bank without a known outcome; above a minute pages.",
            decimals=0,
            steps=[(None, "green"), (30, "yellow"), (60, "red")],
        )
    )
    made.with_panel(
        number(
            "Ledger",
            Query(f"clamp_max(max(payments_ledger_imbalance{{{BOTH}}}), 1)"),
            about="What the worker's last look at its sums said.",
            steps=[(None, "green"), (1, "red")],
            texts={"0": ("proven", "green"), "1": ("BROKEN", "red")},
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Bank breaker",
            Query(or_zero(f'max(resilience_breaker_state{{{BOTH}, name="bank"}})')),
            texts={"0": ("closed", "green"), "1": ("half open", "yellow"), "2": ("OPEN", "red")},
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Webhook lag",
            Query(or_zero(f"max(payments_webhook_lag_seconds{{{BOTH}}})")),
            unit="s",
            about="How long the oldest delivery that is due has waited.",
            decimals=1,
            steps=[(None, "green"), (10, "yellow"), (60, "red")],
        )
    )
    made.with_panel(
        number(
            "Outbox",
            Query(or_zero(f"max(outbox_oldest_age_seconds{{{BOTH}}})")),
            unit="s",
            about="Age of the oldest event that has not left for Kafka.",
            decimals=1,
            steps=[(None, "green"), (5, "yellow"), (30, "red")],
        )
    )
    made.with_panel(
        number(
            "Replayed",
            Query(
                f"({or_zero(rate('idempotency_outcomes_total', REPLAYED))})"
                f" / clamp_min({or_zero(rate('idempotency_outcomes_total', BOTH))}, 1e-9)"
            ),
            unit="percentunit",
            about="Share of requests with a key that were answered from what was stored.",
            decimals=1,
        )
    )


def _outcomes(made: dashboard.Dashboard) -> None:
    made.with_row(row("Unknown outcomes and idempotency keys"))
    made.with_panel(
        lines(
            "Unknown outcomes by kind",
            [Query(or_zero(f"max by (kind) (payments_unknown_outcomes{{{BOTH}}})", "kind"), "{{kind}}")],
            about="Operations whose call to the bank ended without an answer.",
            span=8,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Oldest unknown outcome",
            [Query(or_zero(f"max(payments_unknown_outcome_oldest_age_seconds{{{BOTH}}})"), "age")],
            unit="s",
            span=8,
            limits=OLD,
        )
    )
    made.with_panel(
        lines(
            "Reconciled",
            [
                Query(
                    or_zero(rate("payments_operations_reconciled_total", BOTH, "kind, outcome"), "kind"),
                    "{{kind}} {{outcome}}",
                ),
                Query(or_zero(rate("payments_operations_fenced_total", BOTH)), "fenced off"),
            ],
            unit="ops",
            about="What the worker settled after the call; fenced off: an owner that woke too late.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Idempotency keys by outcome",
            [by_label("idempotency_outcomes_total", BOTH, "outcome")],
            unit="ops",
            about="Every POST claims its key; a repeat is replayed, refused while in flight, or a mismatch.",
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Events recorded by type",
            [by_label("payments_events_recorded_total", BOTH, "type")],
            unit="ops",
        )
    )


def _bank(made: dashboard.Dashboard) -> None:
    made.with_row(row("Bank"))
    made.with_panel(
        lines(
            "Calls by outcome",
            [
                Query(
                    or_zero(rate("payments_bank_calls_total", BOTH, "operation, outcome"), "operation"),
                    "{{operation}} {{outcome}}",
                )
            ],
            unit="ops",
        )
    )
    made.with_panel(
        lines(
            "Call latency",
            percentiles("payments_bank_call_seconds", BOTH),
            unit="s",
            about="As payments sees it, over all operations.",
            colors=PERCENTILES,
        )
    )
    made.with_panel(heat("Calls, distribution", "payments_bank_call_seconds", BOTH, span=9))
    made.with_panel(
        lines(
            "As the bank sees it",
            [by_label("bank_requests_total", BANK, "outcome")],
            unit="reqps",
            about="Requests that the bank answered, by outcome.",
            span=8,
        )
    )
    made.with_panel(
        bars(
            "Faults in the range",
            [
                Query(
                    or_zero(f"sum by (kind) (increase(bank_faults_total{{{BANK}}}[$__range]))", "kind"),
                    "{{kind}}",
                )
            ],
            about="Struck by a test card or by the operator's switch.",
            span=7,
            decimals=0,
        )
    )


def _webhooks(made: dashboard.Dashboard) -> None:
    made.with_row(row("Webhooks"))
    made.with_panel(
        lines(
            "Attempts by outcome",
            [by_label("payments_webhook_attempts_total", BOTH, "outcome")],
            unit="ops",
            span=8,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Time of an attempt",
            percentiles("payments_webhook_attempt_seconds", BOTH),
            unit="s",
            about="The receiver's time, mostly.",
            span=8,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Deliveries that wait",
            [
                Query(or_zero(f"max(payments_webhook_pending{{{BOTH}}})"), "pending"),
                Query(or_zero(f"max(payments_webhook_lag_seconds{{{BOTH}}})"), "oldest due, s"),
            ],
            about="Pending ones include those whose next try is not due yet.",
            span=8,
        )
    )


def _ledger(made: dashboard.Dashboard) -> None:
    made.with_row(row("Ledger and outbox"))
    made.with_panel(
        lines(
            "Ledger imbalance",
            [Query(f"max(payments_ledger_imbalance{{{BOTH}}})", "findings")],
            about="Anything but 0 pages.",
            span=8,
            limits=[(None, "transparent"), (1, "red")],
        )
    )
    made.with_panel(
        lines(
            "Outbox",
            [
                Query(or_zero(f"sum(outbox_pending_records{{{BOTH}}})"), "waiting"),
                Query(or_zero(rate("outbox_relayed_total", BOTH)), "sent a second"),
            ],
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Outbox, oldest event",
            [Query(or_zero(f"max(outbox_oldest_age_seconds{{{BOTH}}})"), "age")],
            unit="s",
            span=8,
            limits=[(None, "transparent"), (30, "red")],
        )
    )
