"""Shortener, internals: cache, invalidations, visits, and a click's way from the redirect to its total."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.panels import (
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
    quantile,
    rate,
    row,
)

BOTH = 'job=~"shortener|shortener-worker", instance=~"$instance"'
TOPIC = 'topic="shortener.clicks-recorded.v1"'


def build() -> dashboard.Dashboard:
    made = board(
        "shortener-internals",
        "Shortener: internals",
        "Cache, invalidations, visits and clicks",
        variables=[
            choice("instance", "Process", 'label_values(up{job=~"shortener|shortener-worker"}, instance)'),
        ],
    )
    _numbers(made)
    _cache(made)
    _clicks(made)
    _links(made)
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    made.with_panel(
        number(
            "Cache tracking",
            Query(f"min(shortener_cache_tracking_up{{{BOTH}}})"),
            about="Whether every replica hears of changes through Redis.",
            steps=[(None, "red"), (1, "green")],
            texts={"0": ("DOWN", "red"), "1": ("up", "green")},
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Entries in process", Query(f"sum(shortener_cache_entries{{{BOTH}}})"), about="Over all replicas."
        )
    )
    made.with_panel(
        number(
            "Invalidations pending",
            Query(or_zero(f"max(shortener_invalidations_pending{{{BOTH}}})")),
            about="Changes of links that Redis has not been told yet.",
            steps=[(None, "green"), (1, "yellow"), (100, "red")],
        )
    )
    made.with_panel(
        number(
            "Click lag",
            Query(f"max(kafka_consumer_lag_seconds{{{BOTH}, {TOPIC}}})"),
            unit="s",
            about="Age of the oldest click that is not in the totals yet.",
            decimals=1,
            steps=[(None, "green"), (10, "yellow"), (60, "red")],
        )
    )
    made.with_panel(
        number(
            "Clicks dropped",
            Query(or_zero(f"sum(increase(shortener_clicks_dropped_total{{{BOTH}}}[$__range]))")),
            about="In the time range.",
            decimals=0,
            steps=[(None, "green"), (1, "red")],
        )
    )
    made.with_panel(
        number(
            "Redis failures",
            Query(or_zero(rate("shortener_redis_failures_total", BOTH))),
            unit="ops",
            decimals=1,
            steps=[(None, "green"), (0.1, "red")],
        )
    )


def _cache(made: dashboard.Dashboard) -> None:
    made.with_row(row("Cache"))
    made.with_panel(
        dial(
            "Found without Postgres, 5 min",
            [
                Query(
                    f'sum(rate(shortener_redirects_total{{{BOTH}, tier=~"l1|redis"}}[5m]))'
                    f' / sum(rate(shortener_redirects_total{{{BOTH}, tier!="none"}}[5m]))'
                )
            ],
            steps=[(None, "red"), (0.8, "yellow"), (0.95, "green")],
        )
    )
    made.with_panel(
        lines(
            "Fills by outcome",
            [by_label("shortener_cache_fills_total", BOTH, "outcome")],
            unit="ops",
            about="A fill that a tombstone or a newer revision overtook is refused.",
            span=9,
        )
    )
    made.with_panel(
        lines(
            "Invalidations by source",
            [by_label("shortener_cache_invalidations_total", BOTH, "source")],
            unit="ops",
            span=9,
        )
    )
    made.with_panel(
        lines(
            "Entries in process",
            [Query(f"sum by (instance) (shortener_cache_entries{{{BOTH}}})", "{{instance}}")],
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Redis failures by reason",
            [by_label("shortener_redis_failures_total", BOTH, "reason")],
            unit="ops",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Invalidations pending",
            [Query(or_zero(f"max(shortener_invalidations_pending{{{BOTH}}})"), "pending")],
            span=8,
            limits=[(None, "transparent"), (100, "red")],
        )
    )


def _clicks(made: dashboard.Dashboard) -> None:
    made.with_row(row("Clicks: buffer, Kafka, totals"))
    made.with_panel(
        lines(
            "Sent and applied",
            [
                Query(or_zero(rate("shortener_clicks_sent_total", BOTH)), "sent"),
                Query(
                    or_zero(rate("shortener_clicks_applied_total", BOTH, "kind"), "kind"),
                    "applied: {{kind}}",
                ),
            ],
            unit="ops",
            about="What replicas handed to Kafka and what the worker added to the totals.",
        )
    )
    made.with_panel(
        lines(
            "Waiting in buffers",
            [Query(f"sum by (instance) (shortener_clicks_buffered{{{BOTH}}})", "{{instance}}")],
            about="Clicks not sent yet: what a kill -9 of the replica would lose.",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Dropped by reason",
            [by_label("shortener_clicks_dropped_total", BOTH, "reason")],
            unit="ops",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Lag by partition",
            [Query(f"max by (partition) (kafka_consumer_lag_records{{{BOTH}, {TOPIC}}})", "{{partition}}")],
            about="Records; one record holds the clicks of one flush.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Lag in time",
            [Query(f"max by (group) (kafka_consumer_lag_seconds{{{BOTH}, {TOPIC}}})", "{{group}}")],
            unit="s",
            span=8,
            limits=[(None, "transparent"), (60, "red")],
        )
    )
    made.with_panel(heat("Batches of the consumer", "kafka_consumer_batch_seconds", BOTH, span=8))


def _links(made: dashboard.Dashboard) -> None:
    made.with_row(row("Links and visits"))
    made.with_panel(
        lines(
            "Created",
            [by_label("shortener_links_created_total", BOTH, "via")],
            unit="ops",
            span=6,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Changed",
            [by_label("shortener_links_changed_total", BOTH, "change")],
            unit="ops",
            span=6,
            stacked=True,
        )
    )
    made.with_panel(
        lines(
            "Visits of limited links",
            [
                Query(or_zero(rate("shortener_visits_granted_total", BOTH)), "granted"),
                Query(or_zero(rate("shortener_visits_refused_total", BOTH)), "refused"),
            ],
            unit="ops",
            about="Links with max_visits are counted to the request.",
            span=6,
            colors={"granted": "green", "refused": "orange"},
        )
    )
    made.with_panel(
        bars(
            "Time to a connection, 5 min",
            [
                Query(quantile(q, "db_pool_acquire_seconds", BOTH).replace("$__rate_interval", "5m"), name)
                for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit="s",
            about="Waiting for a connection of the Postgres pool.",
            span=6,
            top=0.25,
            steps=[(None, "green"), (0.05, "yellow"), (0.25, "red")],
        )
    )
