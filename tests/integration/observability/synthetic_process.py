"""One made-up process: its metrics, exemplars and trace file."""

import json
import math
import random
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

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
