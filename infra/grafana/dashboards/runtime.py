"""Runtime: what every process takes from the chassis, whatever service it is of."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.panels import (
    Column,
    Query,
    bars,
    board,
    by_label,
    choice,
    lines,
    number,
    or_zero,
    quantile,
    rate,
    row,
    rows,
)

WHO = 'job=~"$job", instance=~"$instance"'
# Prometheus and Alertmanager export process_* too; every process of ours exports this one.
OURS = "event_loop_lag_seconds"


def build() -> dashboard.Dashboard:
    made = board(
        "runtime",
        "Runtime",
        "Processes, pools, protection, Kafka and outbox of every service",
        variables=[
            choice("job", "Service", f"label_values({OURS}, job)"),
            choice("instance", "Process", f'label_values({OURS}{{job=~"$job"}}, instance)'),
        ],
    )
    _numbers(made)
    _processes(made)
    _postgres(made)
    _protection(made)
    _kafka(made)
    _outbox(made)
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number(
            "Processes",
            Query(f"sum(up{{{WHO}}})"),
            steps=[(None, "red"), (1, "green")],
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Down",
            Query("count(up == 0) or vector(0)"),
            about="Targets of any kind that cannot be scraped.",
            steps=[(None, "green"), (1, "red")],
            sparkline=False,
        )
    )
    made.with_panel(
        number("CPU", Query(rate("process_cpu_seconds_total", WHO)), about="Cores in use.", decimals=2)
    )
    made.with_panel(
        number("Memory", Query(f"sum(process_resident_memory_bytes{{{WHO}}})"), unit="bytes", decimals=0)
    )
    made.with_panel(
        number(
            "Worst loop lag",
            Query(f"max(event_loop_lag_seconds{{{WHO}}})"),
            unit="s",
            about="How late the event loop wakes a timer, in the worst process.",
            steps=[(None, "green"), (0.02, "yellow"), (0.1, "red")],
        )
    )
    made.with_panel(
        number(
            "Breakers open",
            Query(or_zero(f"count(resilience_breaker_state{{{WHO}}} >= 2)")),
            steps=[(None, "green"), (1, "red")],
            sparkline=False,
        )
    )


def _processes(made: dashboard.Dashboard) -> None:
    made.with_row(row("Processes"))
    made.with_panel(
        rows(
            "Processes",
            [
                Column(
                    Query(f"max by (job, instance) (up{{{WHO}}})", "State"),
                    texts={"0": ("DOWN", "red"), "1": ("up", "green")},
                ),
                Column(
                    # Before the first readiness check nothing is known to be away.
                    Query(
                        f"min by (job, instance) (health_check_up{{{WHO}}})"
                        f" or max by (job, instance) (up{{{WHO}}})",
                        "Dependencies",
                    ),
                    texts={"0": ("one is away", "red"), "1": ("all there", "green")},
                ),
                Column(
                    Query(f"time() - max by (job, instance) (process_start_time_seconds{{{WHO}}})", "Up for"),
                    "s",
                    0,
                ),
                Column(
                    Query(f"sum by (job, instance) (rate(process_cpu_seconds_total{{{WHO}}}[1m]))", "CPU"),
                    "percentunit",
                    1,
                ),
                Column(
                    Query(f"max by (job, instance) (process_resident_memory_bytes{{{WHO}}})", "Memory"),
                    "bytes",
                    0,
                ),
                Column(
                    Query(
                        f"max by (job, instance) (process_open_fds{{{WHO}}} / process_max_fds{{{WHO}}})",
                        "Descriptors",
                    ),
                    "percentunit",
                    1,
                    [(None, "green"), (0.8, "red")],
                ),
            ],
            labels={"job": "Service", "instance": "Process"},
            height=7,
        )
    )
    made.with_panel(
        lines(
            "CPU",
            [Query(rate("process_cpu_seconds_total", WHO, "instance"), "{{instance}}")],
            unit="percentunit",
            about="Of one core; a process here has one.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Memory",
            [Query(f"sum by (instance) (process_resident_memory_bytes{{{WHO}}})", "{{instance}}")],
            unit="bytes",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Event loop lag",
            [Query(f"max by (instance) (event_loop_lag_seconds{{{WHO}}})", "{{instance}}")],
            unit="s",
            span=8,
            limits=[(None, "transparent"), (0.1, "red")],
        )
    )


def _postgres(made: dashboard.Dashboard) -> None:
    made.with_row(row("Postgres"))
    made.with_panel(
        lines(
            "Connections of the pools",
            [Query(f'sum by (state) (db_pool_connections{{{WHO}, state!="max"}})', "{{state}}")],
            span=12,
            stacked=True,
            colors={"idle": "green", "used": "orange"},
        )
    )
    made.with_panel(
        lines(
            "Time to a connection",
            [
                Query(quantile(q, "db_pool_acquire_seconds", WHO), name)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit="s",
            span=12,
            colors={"p50": "green", "p95": "yellow", "p99": "orange"},
        )
    )


def _protection(made: dashboard.Dashboard) -> None:
    made.with_row(row("Protection"))
    made.with_panel(
        lines(
            "Calls by outcome",
            [
                Query(
                    or_zero(rate("resilience_calls_total", WHO, "name, outcome"), "name"),
                    "{{name}} {{outcome}}",
                )
            ],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Shed by reason",
            [by_label("resilience_shed_total", WHO, "reason")],
            unit="reqps",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Concurrency limits",
            [Query(or_zero(f"max by (name) (resilience_concurrency_limit{{{WHO}}})", "name"), "{{name}}")],
            about="What the adaptive limits allow at once.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Breakers",
            [Query(or_zero(f"max by (name) (resilience_breaker_state{{{WHO}}})", "name"), "{{name}}")],
            about="0 closed, 1 half open, 2 open.",
            span=8,
            ceiling=2,
        )
    )
    made.with_panel(
        lines(
            "Rate limit decisions",
            [
                Query(
                    or_zero(rate("ratelimit_decisions_total", WHO, "limiter, decision"), "limiter"),
                    "{{limiter}} {{decision}}",
                )
            ],
            unit="reqps",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Limits failing open",
            [Query(or_zero(rate("ratelimit_fail_open_total", WHO)), "decisions without Redis")],
            unit="reqps",
            span=8,
        )
    )


def _kafka(made: dashboard.Dashboard) -> None:
    made.with_row(row("Kafka"))
    made.with_panel(
        lines(
            "Records produced",
            [
                Query(
                    rate("kafka_producer_records_total", WHO, "topic, outcome"),
                    "{{topic}} {{outcome}}",
                )
            ],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Time to the broker's ack, p99",
            [Query(quantile(0.99, "kafka_producer_send_seconds", WHO, "topic"), "{{topic}}")],
            unit="s",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Records consumed",
            [
                Query(
                    rate("kafka_consumer_records_total", WHO, "group, outcome"),
                    "{{group}} {{outcome}}",
                )
            ],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Lag",
            [
                Query(f"sum by (group, topic) (kafka_consumer_lag_records{{{WHO}}})", "{{group}} {{topic}}"),
                Query(or_zero(f"sum(kafka_consumer_parked_keys{{{WHO}}})"), "keys parked"),
            ],
            about="Records not applied yet, and keys that wait for another try.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Time of a batch, p99",
            [Query(quantile(0.99, "kafka_consumer_batch_seconds", WHO, "group"), "{{group}}")],
            unit="s",
            span=8,
        )
    )
    made.with_panel(
        bars(
            "Dead letters in the time range",
            [
                Query(
                    or_zero(f"sum by (topic) (increase(dlq_records_total{{{WHO}}}[$__range]))", "topic"),
                    "{{topic}}",
                )
            ],
            span=8,
            top=10,
            decimals=0,
            steps=[(None, "green"), (1, "red")],
        )
    )


def _outbox(made: dashboard.Dashboard) -> None:
    made.with_row(row("Outbox and idempotency"))
    made.with_panel(
        lines(
            "Waiting in the outbox",
            [Query(f"sum by (job) (outbox_pending_records{{{WHO}}})", "{{job}}")],
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Age of the oldest event",
            [Query(f"max by (job) (outbox_oldest_age_seconds{{{WHO}}})", "{{job}}")],
            unit="s",
            span=6,
            limits=[(None, "transparent"), (30, "red")],
        )
    )
    made.with_panel(
        lines(
            "Relayed",
            [by_label("outbox_relayed_total", WHO, "job")],
            unit="ops",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Idempotency keys",
            [by_label("idempotency_outcomes_total", WHO, "outcome")],
            unit="ops",
            span=6,
        )
    )
