"""Prometheus metrics: counters, gauges, histograms with exemplars, and the page they are read from."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from starlette.types import Receive, Scope, Send

LATENCY_BUCKETS = (
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
_LAG_INTERVAL_S = 0.25


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def counter(name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002 the field's own word
    return Counter(name, help, labels)


def gauge(name: str, help: str, labels: Sequence[str] = ()) -> Gauge:  # noqa: A002
    return Gauge(name, help, labels)


def histogram(
    name: str,
    help: str,  # noqa: A002
    labels: Sequence[str] = (),
    buckets: Sequence[float] = LATENCY_BUCKETS,
) -> "Histogram":
    return Histogram(name, help, labels, buckets)


class TallyChild:
    """One set of label values: add to `value`. It takes no lock: event loop's thread only."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Tally(Collector):
    """A counter whose increment is an addition, for hot paths (ADR-0019)."""

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._help, self._labels = name.removesuffix("_total"), help, tuple(labels)
        self._children: dict[tuple[str, ...], TallyChild] = {}
        registry.register(self)

    def labels(self, *values: object) -> TallyChild:
        """Bind it once, add often."""
        key = tuple(map(str, values))
        if len(key) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, got {key}")
        return self._children.setdefault(key, TallyChild())

    def describe(self) -> Iterable[CounterMetricFamily]:
        return [CounterMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        (family,) = self.describe()
        for key, child in list(self._children.items()):
            family.add_metric(key, child.value)
        return [family]


class HistogramChild:
    """One set of label values: bind it once, observe often. It takes no lock: event loop's thread only."""

    __slots__ = ("_bounds", "counts", "exemplars", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        """`exemplar` is `exemplar()` or `{"trace_id": ...}` of a sampled span."""
        at = bisect_left(self._bounds, value)
        self.counts[at] += 1
        self.sum += value
        if exemplar is not None:
            self.exemplars[at] = Exemplar(exemplar, value, time.time())

    @contextmanager
    def time(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started, exemplar())


class Histogram(Collector):
    """A histogram whose observation is a bisection and two additions (ADR-0019).

    prometheus-client's own walks the bounds and takes two locks each time.
    """

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Sequence[str] = (),
        buckets: Sequence[float] = LATENCY_BUCKETS,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._help, self._labels = name, help, tuple(labels)
        self._bounds = tuple(buckets)
        self._le = [_le(bound) for bound in (*self._bounds, float("inf"))]
        self._children: dict[tuple[str, ...], HistogramChild] = {}
        registry.register(self)
        if not self._labels:
            self.labels()

    def labels(self, *values: object, **named: object) -> HistogramChild:
        if named:
            values = tuple(named[label] for label in self._labels)
        key = tuple(map(str, values))
        child = self._children.get(key)
        if child is None:
            if len(key) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}, got {key}")
            child = self._children[key] = HistogramChild(self._bounds)
        return child

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        """For a histogram without labels."""
        self.labels().observe(value, exemplar)

    @contextmanager
    def time(self) -> Iterator[None]:
        with self.labels().time():
            yield

    def describe(self) -> Iterable[HistogramMetricFamily]:
        return [HistogramMetricFamily(self._name, self._help, labels=self._labels)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for key, child in list(self._children.items()):
            total = 0
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            for le, count, example in zip(self._le, child.counts, child.exemplars, strict=True):
                total += count
                buckets.append((le, total) if example is None else (le, total, example))
            family.add_metric(key, buckets, child.sum)
        return [family]


def exemplar() -> dict[str, str] | None:
    """The current trace as an exemplar; none unless its span is sampled, so every exemplar can be opened."""
    span = trace.get_current_span().get_span_context()
    if not span.trace_flags.sampled:
        return None
    return {"trace_id": format(span.trace_id, "032x")}


HTTP_SECONDS = histogram(
    "http_server_request_duration_seconds",
    "Time from the request's head to the last byte of its answer.",
    ("method", "route", "status"),
)
HTTP_ACTIVE = gauge("http_server_active_requests", "Requests being answered.")
LOOP_LAG = gauge(
    "event_loop_lag_seconds", "How late the event loop woke a timer, largest of the last interval."
)


async def watch_loop_lag(interval_s: float = _LAG_INTERVAL_S) -> None:
    """Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        LOOP_LAG.set(max(0.0, loop.time() - due))


async def exposition(scope: Scope, _receive: Receive, send: Send) -> None:
    """The /metrics page: OpenMetrics with exemplars when Accept asks for it, else the plain text format."""
    accept = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"accept"), "")
    encode, content_type = choose_encoder(accept)
    body = encode(REGISTRY)
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
