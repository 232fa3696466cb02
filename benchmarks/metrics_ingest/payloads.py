"""The same series in the words of every protocol: templates in which only times and values change."""

import itertools
import json
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cramjam
import numpy as np
from google.protobuf import json_format
from metrics_ingest.domain import wire
from numpy.typing import NDArray
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

SERIES = 20_000
SERIES_A_REQUEST = 2_000
# Prometheus' own default up to 2.47.
SERIES_A_SMALL_REQUEST = 500
STEP_MS = 1_000
ORDERS = 12

# As long as the time that takes its place.
_MS = 1_111_111_111_111
_VALUE_AT, _TIME_AT = 15, 6  # bytes before a series' end
_METHODS = ("GET", "POST", "PUT", "DELETE")
_STATUSES = ("200", "204", "404", "500", "503")

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """How one protocol is sent; `body` writes series at a moment, the form's own way."""

    path: str
    headers: dict[str, str]
    template: Callable[[Sequence[Labels]], "Template"]


class Template:
    """The body of some series, but for its time; values stay what they are."""

    def __init__(self, body: bytes, time: Callable[[int], bytes]) -> None:
        self._body = body
        self._time = time
        self._written = time(_MS)
        assert self._written in body

    def at(self, ms: int, values: NDArray[np.float64]) -> bytes:
        del values
        return self._body.replace(self._written, self._time(ms))


class WriteTemplate(Template):
    """Remote write of either version: every series ends with its sample, eighteen bytes of one shape."""

    def __init__(self, body: bytes, ends: Sequence[int]) -> None:
        self._bytes = np.frombuffer(body, np.uint8).copy()
        places = np.array(ends)[:, None]
        self._values = places - _VALUE_AT + np.arange(8)
        self._times = places - _TIME_AT + np.arange(_TIME_AT)

    def at(self, ms: int, values: NDArray[np.float64]) -> bytes:
        self._bytes[self._values] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        self._bytes[self._times] = np.frombuffer(wire.put_varint(ms), np.uint8)
        return bytes(cramjam.snappy.compress_raw(self._bytes.tobytes()))


def series(count: int) -> list[Labels]:
    """Labels as an HTTP server's metrics have them, seven with the name."""
    numbers = range(count)
    return [
        {
            "__name__": f"http_server_requests_{'total' if n % 2 else 'in_flight'}",
            "instance": f"10.0.{n // 400 % 250}.{n // 80 % 5}:9100",
            "job": "storefront",
            "method": _METHODS[n % 4],
            "path": f"/api/v1/resource-{n // 20}",
            "region": "eu-central-1",
            "status": _STATUSES[n // 4 % 5],
        }
        for n in numbers
    ]


class Walk:
    """Values from step to step: counters that grow by whole numbers, gauges of two decimals in turn."""

    def __init__(self, count: int, seed: int = 20_261_121) -> None:
        self._random = np.random.default_rng(seed)
        self._counters = np.arange(count) % 2 == 1
        self._values = np.where(self._counters, 1_000.0, 50.0)

    def step(self) -> NDArray[np.float64]:
        counts = self._random.integers(0, 20, len(self._values))
        moves = np.round(self._random.normal(0, 1, len(self._values)), 2)
        self._values = np.round(self._values + np.where(self._counters, counts, moves), 2)
        return self._values


def bodies(
    form: Form,
    labels: Sequence[Labels],
    first_ms: int,
    *,
    a_request: int = SERIES_A_REQUEST,
    step_ms: int = STEP_MS,
) -> Iterator[list[bytes]]:
    """A scrape a step, without end: the requests of all series at one moment."""
    parts = [labels[at : at + a_request] for at in range(0, len(labels), a_request)]
    templates = [form.template(part) for part in parts]
    walk = Walk(len(labels))
    for number in itertools.count():
        values = walk.step()
        ms = first_ms + number * step_ms
        yield [
            template.at(ms, values[place * a_request : (place + 1) * a_request])
            for place, template in enumerate(templates)
        ]


def reordered(form: Form, labels: Sequence[Labels], first_ms: int) -> Iterator[list[bytes]]:
    """The same with the series in another order at each step, of more orders than anybody remembers."""
    dice = random.Random(20_261_121)  # noqa: S311 the same every time
    sources = [
        bodies(
            form,
            dice.sample(labels, len(labels)),
            first_ms + number * STEP_MS,
            step_ms=ORDERS * STEP_MS,
        )
        for number in range(ORDERS)
    ]
    return itertools.chain.from_iterable(zip(*sources, strict=True))


def _write_1(labels: Sequence[Labels]) -> Template:
    ends, body = [], bytearray()
    for one in labels:
        form = wire.put_labels((name.encode(), value.encode()) for name, value in one.items())
        body += wire.put_series(form, wire.put_sample(_MS, 1.0))
        ends.append(len(body))
    return WriteTemplate(bytes(body), ends)


def _write_2(labels: Sequence[Labels]) -> Template:
    symbols = {"": 0}
    series_bytes = []
    for one in labels:
        refs = [symbols.setdefault(text, len(symbols)) for pair in one.items() for text in pair]
        packed = b"".join(map(wire.put_varint, refs))
        series_bytes.append(wire.put_bytes(0x2A, wire.put_bytes(0x0A, packed) + wire.put_sample(_MS, 1.0)))
    body = b"".join(wire.put_bytes(0x22, text.encode()) for text in symbols)
    ends = [len(body) + so_far for so_far in itertools.accumulate(map(len, series_bytes))]
    return WriteTemplate(body + b"".join(series_bytes), ends)


def _values(labels: Sequence[Labels]) -> list[tuple[str, Labels, float]]:
    """Name, the other labels and a value."""
    return [
        (one["__name__"], {name: text for name, text in one.items() if name != "__name__"}, n * 0.25)
        for n, one in enumerate(labels)
    ]


def _otlp(labels: Sequence[Labels]) -> ExportMetricsServiceRequest:
    """One gauge of the service, a data point a series, the name among the attributes."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(_attribute("service.name", "storefront"))
    gauge = resource.scope_metrics.add().metrics.add(name="http.server.requests").gauge
    for name, others, value in _values(labels):
        point = gauge.data_points.add(time_unix_nano=_MS * 10**6, as_double=value)
        point.attributes.extend(_attribute(key, text) for key, text in others.items() if key != "job")
        point.attributes.append(_attribute("kind", name))
    return request


def _attribute(key: str, value: str) -> KeyValue:
    found = KeyValue(key=key)
    found.value.string_value = value
    return found


def _otlp_protobuf(labels: Sequence[Labels]) -> Template:
    return Template(_otlp(labels).SerializeToString(), lambda ms: struct.pack("<Q", ms * 10**6))


def _otlp_json(labels: Sequence[Labels]) -> Template:
    text = json_format.MessageToJson(_otlp(labels), indent=None)
    return Template(text.encode(), lambda ms: b"%d000000" % ms)


def _json_points(labels: Sequence[Labels]) -> Template:
    points = [
        {"name": name, "labels": others, "type": "gauge", "value": value, "timestamp_ms": _MS}
        for name, others, value in _values(labels)
    ]
    return Template(json.dumps({"points": points}).encode(), lambda ms: b"%d" % ms)


def _influx(labels: Sequence[Labels]) -> Template:
    lines = [
        f"{name},{','.join(f'{key}={text}' for key, text in others.items())} value={value} {_MS}000000"
        for name, others, value in _values(labels)
    ]
    return Template("\n".join(lines).encode(), lambda ms: b"%d000000" % ms)


def _datadog(labels: Sequence[Labels]) -> Template:
    told = [
        {
            "metric": name,
            "type": 3,
            "points": [{"timestamp": _MS // 1000, "value": value}],
            "tags": [f"{key}:{text}" for key, text in others.items()],
        }
        for name, others, value in _values(labels)
    ]
    return Template(json.dumps({"series": told}).encode(), lambda ms: b"%d" % (ms // 1000))


def _exposition(labels: Sequence[Labels]) -> Template:
    lines = [
        name + "{" + ",".join(f'{key}="{text}"' for key, text in others.items()) + "} " + f"{value} {_MS}\n"
        for name, others, value in _values(labels)
    ]
    return Template("".join(lines).encode(), lambda ms: b"%d" % ms)


_SNAPPY = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
_JSON = {"Content-Type": "application/json"}
REMOTE_WRITE_1 = Form("/api/v1/write", {**_SNAPPY, "X-Prometheus-Remote-Write-Version": "0.1.0"}, _write_1)
REMOTE_WRITE_2 = Form(
    "/api/v1/write",
    {
        **_SNAPPY,
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
    _write_2,
)
OTLP_PROTOBUF = Form("/v1/metrics", {"Content-Type": "application/x-protobuf"}, _otlp_protobuf)
OTLP_JSON = Form("/v1/metrics", _JSON, _otlp_json)
JSON_POINTS = Form("/api/v1/points", _JSON, _json_points)
INFLUX = Form("/write", {"Content-Type": "text/plain"}, _influx)
DATADOG = Form("/api/v2/series", _JSON, _datadog)
EXPOSITION = Form("/api/v1/import/prometheus", {"Content-Type": "text/plain"}, _exposition)
