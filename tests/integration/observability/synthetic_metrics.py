"""A replica and a writer of metrics-ingest under traffic, a few refusals among it."""

from tests.integration.observability.synthetic_orders import Consumer
from tests.integration.observability.synthetic_process import Process

ROUTES = {"remote_write": "/api/v1/write", "json": "/api/v1/points", "otlp": "/v1/metrics"}


class Api(Process):
    def advance(self) -> None:
        super().advance()
        for protocol, route in ROUTES.items():
            self.receive(protocol, route)
        refused = self.counter("metrics_ingest_rejected_points", "reason")
        refused.labels("too_old").inc(self.random.randrange(3))
        self.counter("metrics_ingest_statsd_dropped", "reason").labels("kernel").inc(0)
        self.gauge("metrics_ingest_active_series").set(4_000 + self.random.randrange(40))
        self.query()

    def receive(self, protocol: str, route: str) -> None:
        points = self.counter("metrics_ingest_points", "protocol", "verdict")
        points.labels(protocol, "accepted").inc(int(2_000 * self.load()))
        points.labels(protocol, "rejected").inc(self.random.randrange(3))
        self.counter("metrics_ingest_requests", "protocol", "code").labels(protocol, "204").inc()
        sizes = self.histogram("metrics_ingest_body_bytes", "protocol")
        sizes.labels(protocol).observe(self.random.randrange(10))
        seconds = self.seconds(0.004)
        example = self.trace(f"POST {route}", seconds) if self.random.random() < 0.02 else None
        self.histogram("metrics_ingest_ack_seconds").observe(seconds, example)
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        http.labels("POST", route, "204").observe(seconds * 1.5)

    def query(self) -> None:
        self.counter("metrics_queries", "endpoint", "code").labels("query_range", "200").inc()
        seconds = self.histogram("metrics_query_seconds", "endpoint")
        seconds.labels("query_range").observe(self.seconds(0.02))


class Writer(Consumer):
    group, topic = "metrics-writer", "metrics-ingest.batches-accepted.v1"

    def advance(self) -> None:
        super().advance()
        points = int(6_000 * self.load())
        self.counter("metrics_writer_points", "outcome").labels("stored").inc(points)
        self.histogram("metrics_writer_batch_points").observe(self.random.randrange(1, 10))
        self.counter("metrics_writer_store_requests", "outcome").labels("ok").inc()
        self.histogram("metrics_store_request_seconds", "kind").labels("write").observe(self.seconds(0.01))
        self.histogram("metrics_writer_barrier_seconds").observe(self.seconds(0.1))
        self.counter("metrics_writer_rewinds", "reason").labels("store_restarted").inc(0)
        self.gauge("metrics_writer_lag_seconds").set(self.random.uniform(0, 1.5))
        self.gauge("metrics_ledger_residue_points").set(0)
        for partition in range(6):
            fresh = self.gauge("metrics_freshness_seconds", "partition")
            fresh.labels(str(partition)).set(self.random.uniform(0.5, 2))
        self.counter("metrics_canary", "outcome").labels("fresh").inc(6)
        self.counter("metrics_rollups", "outcome").labels("evaluated").inc()
        self.counter("metrics_rollup_samples").inc(12)
