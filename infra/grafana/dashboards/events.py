"""Events: every consumer group, from lag over parked keys and retries to dead letters and their redrive."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.panels import (
    Column,
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
    rows,
)

GROUP = 'group=~"$group"'
ANY = 'job=~".+"'
DEAD = f'{GROUP}, state="dead"'


def build() -> dashboard.Dashboard:
    made = board(
        "events",
        "Events",
        "Consumer groups: lag, parked keys, retries, dead letters, redrive; and the outboxes that feed them",
        variables=[choice("group", "Group", "label_values(kafka_consumer_lag_records, group)")],
    )
    _numbers(made)
    _groups(made)
    _consumers(made)
    _retries(made)
    _letters(made)
    _outbox(made)
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number(
            "Applied",
            Query(or_zero(rate("kafka_consumer_records_total", f'{GROUP}, outcome="applied"'))),
            unit="ops",
            decimals=1,
        )
    )
    made.with_panel(
        number(
            "Lag",
            Query(or_zero(f"max(kafka_consumer_lag_seconds{{{GROUP}}})")),
            unit="s",
            about="Age of the oldest event that a group has not applied.",
            decimals=1,
            steps=[(None, "green"), (10, "yellow"), (60, "red")],
        )
    )
    made.with_panel(
        number(
            "Keys parked",
            Query(or_zero(f"sum(max by (group) (kafka_consumer_parked_keys{{{GROUP}}}))")),
            about="Their events wait for another try, in order; other keys flow.",
            steps=[(None, "green"), (1, "yellow"), (100, "red")],
        )
    )
    made.with_panel(
        number(
            "Dead letters",
            Query(or_zero(f"sum(max by (group) (dead_letters{{{DEAD}}}))")),
            about="Neither redriven nor discarded.",
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        number(
            "Redrives running",
            Query(or_zero(f"max(redrive_run_active{{{ANY}}})")),
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Outbox",
            Query(or_zero(f"max(outbox_oldest_age_seconds{{{ANY}}})")),
            unit="s",
            about="Age of the oldest event that has not left for Kafka, over all services.",
            decimals=1,
            steps=[(None, "green"), (5, "yellow"), (30, "red")],
        )
    )


def _groups(made: dashboard.Dashboard) -> None:
    made.with_row(row("Groups"))
    by = "by (group)"
    made.with_panel(
        rows(
            "Groups",
            [
                Column(
                    Query(f"sum {by} (kafka_consumer_lag_records{{{GROUP}}})", "Lag, records"), decimals=0
                ),
                Column(
                    Query(f"max {by} (kafka_consumer_lag_seconds{{{GROUP}}})", "Lag"),
                    "s",
                    1,
                    [(None, "green"), (10, "yellow"), (60, "red")],
                ),
                Column(
                    Query(f"sum {by} (rate(kafka_consumer_records_total{{{GROUP}}}[1m]))", "Records/s"),
                    "ops",
                    1,
                ),
                Column(
                    Query(f"max {by} (kafka_consumer_parked_keys{{{GROUP}}})", "Keys parked"),
                    decimals=0,
                    steps=[(None, "green"), (1, "yellow")],
                ),
                Column(
                    Query(f"max {by} (dead_letters{{{DEAD}}})", "Dead letters"),
                    decimals=0,
                    steps=[(None, "green"), (1, "red")],
                ),
            ],
            labels={"group": "Group"},
            height=7,
        )
    )


def _consumers(made: dashboard.Dashboard) -> None:
    made.with_row(row("Consumers"))
    made.with_panel(
        lines(
            "Lag in time",
            [
                Query(
                    f"max by (group, topic) (kafka_consumer_lag_seconds{{{GROUP}}})", "{{group}} of {{topic}}"
                )
            ],
            unit="s",
            limits=[(None, "transparent"), (60, "red")],
        )
    )
    made.with_panel(
        lines(
            "Lag in records",
            [
                Query(
                    f"sum by (group, topic) (kafka_consumer_lag_records{{{GROUP}}})", "{{group}} of {{topic}}"
                )
            ],
        )
    )
    made.with_panel(
        lines(
            "Records by outcome",
            [
                Query(
                    or_zero(rate("kafka_consumer_records_total", GROUP, "group, outcome"), "group"),
                    "{{group}} {{outcome}}",
                )
            ],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Time of a batch",
            percentiles("kafka_consumer_batch_seconds", GROUP),
            unit="s",
            about="A fetch and its transaction, whatever its size.",
            span=8,
        )
    )
    made.with_panel(heat("Batches", "kafka_consumer_batch_seconds", GROUP, span=8))


def _retries(made: dashboard.Dashboard) -> None:
    made.with_row(row("Retries"))
    made.with_panel(
        lines(
            "Keys parked",
            [Query(or_zero(f"max by (group) (kafka_consumer_parked_keys{{{GROUP}}})", "group"), "{{group}}")],
            about="Where the order of a key counts: later events of the key queue behind it.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Sent to a tier",
            [
                Query(
                    or_zero(rate("kafka_consumer_retried_total", GROUP, "group, tier"), "group"),
                    "{{group}} {{tier}}",
                )
            ],
            unit="ops",
            about="Where it does not: 5 s, 30 s, 5 min, then a dead letter.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Failures on purpose",
            [
                Query(
                    or_zero(rate("kafka_faults_injected_total", GROUP, "group, error"), "group"),
                    "{{group}} {{error}}",
                ),
                Query(
                    or_zero(f"sum by (group) (kafka_consumer_paused_partitions{{{GROUP}}})", "group"),
                    "{{group}}: partitions that wait",
                ),
            ],
            about="Asked for by the faults API; and partitions of a tier whose next message is not due.",
            span=8,
        )
    )


def _letters(made: dashboard.Dashboard) -> None:
    made.with_row(row("Dead letters and redrive"))
    made.with_panel(
        bars(
            "Dead letters by group",
            [Query(or_zero(f"max by (group) (dead_letters{{{DEAD}}})", "group"), "{{group}}")],
            span=6,
            decimals=0,
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        lines(
            "Letters by state",
            [
                Query(
                    or_zero(f"sum by (state) (max by (group, state) (dead_letters{{{GROUP}}}))", "state"),
                    "{{state}}",
                )
            ],
            span=6,
        )
    )
    made.with_panel(
        lines(
            "New letters",
            [
                Query(
                    or_zero(rate("dlq_records_total", GROUP, "group, reason"), "group"),
                    "{{group}} {{reason}}",
                )
            ],
            unit="ops",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Redriven and applied",
            [
                by_label("redrives_total", GROUP, "outcome"),
                Query(or_zero(rate("dead_letters_resolved_total", GROUP)), "applied"),
            ],
            unit="ops",
            about="What a run sent, and what its group then applied.",
            span=6,
        )
    )


def _outbox(made: dashboard.Dashboard) -> None:
    made.with_row(row("Outboxes"))
    made.with_panel(
        lines(
            "Waiting",
            [Query(or_zero(f"max by (job) (outbox_pending_records{{{ANY}}})", "job"), "{{job}}")],
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Oldest",
            [Query(or_zero(f"max by (job) (outbox_oldest_age_seconds{{{ANY}}})", "job"), "{{job}}")],
            unit="s",
            span=8,
            limits=[(None, "transparent"), (30, "red")],
        )
    )
    made.with_panel(lines("Sent", [by_label("outbox_relayed_total", ANY, "job")], unit="ops", span=8))
