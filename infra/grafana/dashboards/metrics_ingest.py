"""Metrics: points from receivers through log and writer to queries, and the ledger of them."""

from grafana_foundation_sdk.builders import dashboard

from infra.grafana.dashboards.http import PERCENTILES, budget_left, burn_rate, routes
from infra.grafana.dashboards.panels import (
    Query,
    board,
    by_label,
    choice,
    heat,
    lines,
    number,
    or_zero,
    percentiles,
    quantile,
    rate,
    row,
)

RECEIVER = 'job="metrics-ingest", instance=~"$instance"'
WRITER = 'job="metrics-writer"'
POINTS = "metrics_ingest_points_total"
ACK, BARRIER, QUERY = "metrics_ingest_ack_seconds", "metrics_writer_barrier_seconds", "metrics_query_seconds"

RESIDUE = or_zero(f"max(metrics_ledger_residue_points{{{WRITER}}})")
FRESHNESS = f"max by (partition) (metrics_freshness_seconds{{{WRITER}}})"
PROMISED = [(None, "transparent"), (5, "red")]
NONE = [(None, "green"), (1, "red")]


def build() -> dashboard.Dashboard:
    made = board(
        "metrics-ingest",
        "Metrics",
        "Points by protocol and verdict, acknowledgements, the writer, freshness, the ledger, queries",
        variables=[choice("instance", "Replica", 'label_values(up{job="metrics-ingest"}, instance)')],
    )
    _numbers(made)
    _receivers(made)
    _writer(made)
    _freshness(made)
    _queries(made)
    made.with_row(row("Routes"))
    made.with_panel(routes(RECEIVER))
    return made


def _numbers(made: dashboard.Dashboard) -> None:
    accepted, refused = (rate(POINTS, f'{RECEIVER}, verdict="{one}"') for one in ("accepted", "rejected"))
    made.with_panel(number("Accepted a second", Query(or_zero(accepted)), decimals=0))
    made.with_panel(
        number(
            "Refused",
            Query(f"({or_zero(refused)}) / clamp_min({rate(POINTS, RECEIVER)}, 1e-9)"),
            unit="percentunit",
            about="Of all points; their senders were told each reason.",
            decimals=2,
            steps=[(None, "green"), (0.01, "yellow"), (0.05, "red")],
        )
    )
    made.with_panel(
        number(
            "Freshness, worst partition",
            Query(f"max({FRESHNESS})"),
            unit="s",
            about="From a canary's send to the query that shows it. Promise: 99 % within 5 s.",
            decimals=2,
            steps=[(None, "green"), (3, "yellow"), (5, "red")],
        )
    )
    made.with_panel(
        number(
            "Writer lag",
            Query(or_zero(f"max(metrics_writer_lag_seconds{{{WRITER}}})")),
            unit="s",
            about="Age of the oldest record in hand without a barrier behind it.",
            decimals=1,
            steps=[(None, "green"), (5, "yellow"), (30, "red")],
        )
    )
    made.with_panel(
        number(
            "Ledger residue",
            Query(RESIDUE),
            about="Accepted points of which nobody knows what became: 0, always.",
            steps=NONE,
            sparkline=False,
        )
    )
    made.with_panel(
        number(
            "Active series",
            Query(or_zero(f"max(metrics_ingest_active_series{{{RECEIVER}}})")),
            about="Known to the replica that knows most, of all tenants.",
            decimals=0,
        )
    )


def _receivers(made: dashboard.Dashboard) -> None:
    made.with_row(row("Receivers"))
    made.with_panel(
        lines(
            "Points a second",
            [
                Query(
                    or_zero(rate(POINTS, RECEIVER, "protocol, verdict"), "protocol"),
                    "{{protocol}} {{verdict}}",
                )
            ],
            about="In the sender's units.",
            span=9,
        )
    )
    made.with_panel(
        lines(
            "Refusals by reason",
            [by_label("metrics_ingest_rejected_points_total", RECEIVER, "reason")],
            about="Points a second. What was valid of the same request is stored all the same.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Answers",
            [
                Query(
                    or_zero(rate("metrics_ingest_requests_total", RECEIVER, "protocol, code"), "protocol"),
                    "{{protocol}} {{code}}",
                )
            ],
            unit="reqps",
            about="503: it could not be made durable, and the sender comes again. 429: a tenant's quota.",
            span=7,
        )
    )
    made.with_panel(
        lines(
            "Acknowledgement",
            percentiles(ACK, RECEIVER),
            unit="s",
            about="From the send of a batch to the broker's last answer. Promise: 99 % within 250 ms.",
            span=9,
            limits=[(None, "transparent"), (0.25, "red")],
            colors=PERCENTILES,
        )
    )
    made.with_panel(heat("Acknowledgement, distribution", ACK, RECEIVER, span=8))
    made.with_panel(
        lines(
            "Body, p99",
            [Query(quantile(0.99, "metrics_ingest_body_bytes", RECEIVER, "protocol"), "{{protocol}}")],
            unit="bytes",
            about="As it came, compressed.",
            span=7,
        )
    )
    made.with_panel(
        lines(
            "Active series",
            [Query(f"max by (instance) (metrics_ingest_active_series{{{RECEIVER}}})", "{{instance}}")],
            about="Each replica learns what it is sent.",
        )
    )
    made.with_panel(
        lines(
            "StatsD, dropped a second",
            [by_label("metrics_ingest_statsd_dropped_total", RECEIVER, "reason")],
            about="Lines, and packets for which the kernel had no room. Senders cannot know.",
        )
    )


def _writer(made: dashboard.Dashboard) -> None:
    made.with_row(row("Writer"))
    made.with_panel(
        lines(
            "Behind the barrier, points a second",
            [by_label("metrics_writer_points_total", WRITER, "outcome")],
            about="Stored for good, or dead with a reason.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Lag",
            [Query(f"max by (instance) (metrics_writer_lag_seconds{{{WRITER}}})", "{{instance}}")],
            unit="s",
            about="While the store is away this grows, and acknowledgements go on.",
            span=8,
            limits=[(None, "transparent"), (30, "red")],
        )
    )
    made.with_panel(
        lines(
            "Barrier",
            percentiles(BARRIER, WRITER),
            unit="s",
            about="A snapshot of the store, and offsets and ledger in one transaction.",
            span=8,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Rewinds a second",
            [by_label("metrics_writer_rewinds_total", WRITER, "reason")],
            about="Points since the last barrier are written again: another store, or another writer.",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Points of one write",
            percentiles("metrics_writer_batch_points", WRITER),
            about="Records of a tenant are merged; the more wait, the larger.",
            span=6,
            colors=PERCENTILES,
        )
    )
    made.with_panel(
        lines(
            "Writes to the store",
            [by_label("metrics_writer_store_requests_total", WRITER, "outcome")],
            unit="reqps",
            span=6,
        )
    )
    made.with_panel(
        lines(
            "Calls to the store, p99",
            [Query(quantile(0.99, "metrics_store_request_seconds", WRITER, "kind"), "{{kind}}")],
            unit="s",
            about="Snapshots are among the reads.",
            span=6,
        )
    )


def _freshness(made: dashboard.Dashboard) -> None:
    made.with_row(row("Ledger, freshness, promises"))
    made.with_panel(
        lines(
            "Freshness by partition",
            [Query(FRESHNESS, "{{partition}}")],
            unit="s",
            about="A canary a partition, every few seconds, through broker, writer and store.",
            span=9,
            limits=PROMISED,
        )
    )
    made.with_panel(
        lines(
            "Canaries a second",
            [by_label("metrics_canary_total", WRITER, "outcome")],
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Residue",
            [Query(RESIDUE, "points")],
            about="received = accepted + rejected; accepted = stored + in flight + dead + residue.",
            span=7,
            limits=[(None, "transparent"), (1, "red")],
        )
    )
    made.with_panel(budget_left('service="metrics-ingest"', span=12))
    made.with_panel(burn_rate('service="metrics-ingest"', span=12))


def _queries(made: dashboard.Dashboard) -> None:
    made.with_row(row("Queries"))
    made.with_panel(
        lines(
            "Queries",
            [
                Query(
                    or_zero(rate("metrics_queries_total", RECEIVER, "endpoint, code"), "endpoint"),
                    "{{endpoint}} {{code}}",
                )
            ],
            unit="reqps",
            about="503: the store is away. 422: the expression cannot be evaluated.",
            span=8,
        )
    )
    made.with_panel(
        lines("Query latency", percentiles(QUERY, RECEIVER), unit="s", span=8, colors=PERCENTILES)
    )
    made.with_panel(
        lines(
            "Query, p99 by endpoint",
            [Query(quantile(0.99, QUERY, RECEIVER, "endpoint"), "{{endpoint}}")],
            unit="s",
            about="A wait for `min_position` is among it.",
            span=8,
        )
    )
    made.with_panel(
        lines(
            "Rollups",
            [by_label("metrics_rollups_total", WRITER, "outcome")],
            unit="ops",
            about="Of a metric over 5 minutes and an hour, by the one writer that holds the lease.",
        )
    )
    made.with_panel(
        lines(
            "Samples of rollups a second",
            [Query(or_zero(rate("metrics_rollup_samples_total", WRITER)), "samples")],
            about="What changed within the late window, and nothing else.",
        )
    )
