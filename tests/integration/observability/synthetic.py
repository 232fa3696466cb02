"""Stands for two replicas and a worker under traffic: their metrics, exemplars and trace files."""

import argparse
import json
import math
import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

BUCKETS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
TICK_S = 0.25
TOPIC = "shortener.clicks-recorded.v1"


class Process:
    """The metrics of one process; `advance` adds what a quarter of a second brings."""

    def __init__(self, name: str, traces: Path | None, seed: int) -> None:
        self.name = name
        self.registry = CollectorRegistry()
        self.random = random.Random(seed)  # noqa: S311 made-up traffic
        self.traces = traces / f"{name}.jsonl" if traces else None
        self.made: dict[str, Any] = {}
        ProcessCollector(registry=self.registry)
        self.gauge("event_loop_lag_seconds")
        for check in ("postgres", "redis", "kafka"):
            self.gauge("health_check_up", "check").labels(check).set(1)
        for state, value in (("idle", 4), ("used", 2), ("max", 10)):
            self.gauge("db_pool_connections", "state").labels(state).set(value)

    def _make(self, kind: Callable[..., Any], name: str, labels: Sequence[str], **options: Any) -> Any:
        if name not in self.made:
            self.made[name] = kind(name, name, labels, registry=self.registry, **options)
        return self.made[name]

    def counter(self, name: str, *labels: str) -> Any:
        return self._make(Counter, name, labels)

    def gauge(self, name: str, *labels: str) -> Any:
        return self._make(Gauge, name, labels)

    def histogram(self, name: str, *labels: str) -> Any:
        return self._make(Histogram, name, labels, buckets=BUCKETS)

    def seconds(self, median: float, spread: float = 0.5) -> float:
        return self.random.lognormvariate(math.log(median), spread)

    def load(self) -> float:
        """A wave of ten minutes with some noise, between 0.5 and 1.5."""
        return 1 + 0.4 * math.sin(time.time() / 95) + self.random.uniform(-0.1, 0.1)

    def trace(self, name: str, seconds: float) -> dict[str, str]:
        trace_id = secrets.token_hex(16)
        if self.traces:
            self.traces.parent.mkdir(parents=True, exist_ok=True)
            with self.traces.open("a", encoding="utf-8") as file:
                file.write(json.dumps(export_request(self.name, name, trace_id, seconds)) + "\n")
        return {"trace_id": trace_id}

    def advance(self) -> None:
        self.gauge("event_loop_lag_seconds").set(self.seconds(0.0008, 0.7))
        self.histogram("db_pool_acquire_seconds").observe(self.seconds(0.0004))


class Replica(Process):
    def advance(self) -> None:
        super().advance()
        self.redirects()
        self.management()
        self.pipeline()

    def redirects(self) -> None:
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        tiers = self.counter("shortener_redirects", "tier", "status")
        medians = {"l1": 0.00018, "redis": 0.0009, "postgres": 0.004, "none": 0.0012}
        for _ in range(int(60 * self.load())):
            [tier] = self.random.choices(list(medians), (80, 14, 4, 2))
            status = self.random.choice(("404", "404", "410")) if tier == "none" else "302"
            seconds = self.seconds(medians[tier], 0.6)
            sampled = self.random.random() < 0.004
            example = self.trace("GET /{slug}", seconds) if sampled else None
            http.labels("GET", "/{slug}", status).observe(seconds, example)
            tiers.labels(tier, status).inc()
        self.gauge("http_server_active_requests").set(self.random.randrange(5))

    def management(self) -> None:
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        routes = (
            ("POST", "/v1/links", "201"),
            ("GET", "/v1/links/{id}", "200"),
            ("GET", "/v1/links/{id}/stats", "200"),
        )
        for method, route, status in self.random.choices(routes, k=4):
            seconds = self.seconds(0.006)
            example = self.trace(f"{method} {route}", seconds) if self.random.random() < 0.03 else None
            http.labels(method, route, status).observe(seconds, example)
            self.counter("ratelimit_decisions", "limiter", "decision").labels("tenant", "allowed").inc()
            if method == "POST":
                self.counter("shortener_links_created", "via").labels("api").inc()
                self.counter("idempotency_outcomes", "outcome").labels("claimed").inc()
        self.counter("shortener_links_changed", "change").labels("update").inc(self.random.random() < 0.2)

    def pipeline(self) -> None:
        self.gauge("shortener_cache_tracking_up", "source").labels("redis").set(1)
        self.gauge("shortener_cache_entries", "kind").labels("live").set(42_000 + self.random.randrange(800))
        self.counter("shortener_cache_fills", "outcome").labels("stored").inc(self.random.randrange(4))
        self.counter("shortener_cache_invalidations", "source").labels("tracking").inc(
            self.random.random() < 0.3
        )
        self.gauge("shortener_invalidations_pending").set(0)
        self.counter("shortener_clicks_sent").inc(int(58 * self.load()))
        self.gauge("shortener_clicks_buffered").set(self.random.randrange(60))
        self.counter("shortener_visits_granted").inc(self.random.random() < 0.5)
        self.counter("shortener_visits_refused").inc(self.random.random() < 0.1)
        self.counter("kafka_producer_records", "topic", "outcome").labels(TOPIC, "acknowledged").inc(3)
        self.histogram("kafka_producer_send_seconds", "topic").labels(TOPIC).observe(self.seconds(0.003))


class Worker(Process):
    def advance(self) -> None:
        super().advance()
        for partition in range(6):
            lag = self.random.randrange(9)
            self.gauge("kafka_consumer_lag_records", "group", "topic", "partition").labels(
                "clicks", TOPIC, partition
            ).set(lag)
            age = self.gauge("kafka_consumer_lag_seconds", "group", "topic", "partition")
            age.labels("clicks", TOPIC, partition).set(lag * 0.12)
        self.histogram("kafka_consumer_batch_seconds", "group").labels("clicks").observe(self.seconds(0.012))
        self.counter("kafka_consumer_records", "group", "topic", "outcome").labels(
            "clicks", TOPIC, "applied"
        ).inc(6)
        applied = self.counter("shortener_clicks_applied", "kind")
        applied.labels("human").inc(int(100 * self.load()))
        applied.labels("bot").inc(int(14 * self.load()))
        self.gauge("outbox_pending_records").set(self.random.randrange(4))
        self.gauge("outbox_oldest_age_seconds").set(self.random.uniform(0, 0.3))
        self.counter("outbox_relayed").inc(self.random.randrange(3))


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def export_request(service: str, name: str, trace_id: str, seconds: float) -> dict[str, Any]:
    """An OTLP export request with a root span and two children, as a process writes one a line."""
    start, length = time.time_ns() - int(seconds * 1e9), int(seconds * 1e9)
    root = secrets.token_hex(8)
    parts = [(root, "", name, 2, 0.0, 1.0), (secrets.token_hex(8), root, "redis GET", 3, 0.15, 0.5)]
    parts.append((secrets.token_hex(8), root, "select_route", 3, 0.55, 0.95))
    spans = [
        {
            "traceId": trace_id,
            "spanId": span_id,
            "parentSpanId": parent,
            "name": part,
            "kind": kind,
            "startTimeUnixNano": str(start + int(length * low)),
            "endTimeUnixNano": str(start + int(length * high)),
            "attributes": [_attribute("http.route", "/{slug}")],
            "status": {},
        }
        for span_id, parent, part, kind, low, high in parts
    ]
    resource = {"attributes": [_attribute("service.name", service)]}
    return {
        "resourceSpans": [
            {"resource": resource, "scopeSpans": [{"scope": {"name": "synthetic"}, "spans": spans}]}
        ]
    }


def _server(process: Process) -> ThreadingHTTPServer:
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body: bytes = generate_latest(process.registry)  # type: ignore[no-untyped-call]
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """A scrape a second is no news."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Metrics)


class Fleet:
    """All processes on ports of their own, moving on until the block ends."""

    def __init__(self, traces: Path | None = None) -> None:
        self.processes: list[Process] = [
            Replica("shortener", traces, 1),
            Replica("shortener-2", traces, 2),
            Worker("shortener-worker", traces, 3),
        ]
        self.servers = [_server(process) for process in self.processes]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run)]
        self._threads += [threading.Thread(target=server.serve_forever) for server in self.servers]

    def targets(self) -> list[dict[str, Any]]:
        """Prometheus' file_sd groups, as the local runtime writes them."""
        return [
            {
                "targets": [f"127.0.0.1:{server.server_address[1]}"],
                "labels": {"job": process.name.removesuffix("-2"), "instance": process.name},
            }
            for process, server in zip(self.processes, self.servers, strict=True)
        ]

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            for process in self.processes:
                process.advance()

    def __enter__(self) -> Self:
        for process in self.processes:
            process.advance()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=Path, required=True, help="file_sd file to write")
    parser.add_argument("--traces", type=Path, help="folder for trace files")
    options = parser.parse_args()
    with Fleet(options.traces) as fleet:
        options.targets.write_text(json.dumps(fleet.targets()), encoding="utf-8")
        threading.Event().wait()


if __name__ == "__main__":
    main()
