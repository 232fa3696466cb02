"""The recorder by itself: what a hot path before the edge gets for its two calls."""

import io
import json
from collections.abc import Iterator

import pytest
from chassis import logs, telemetry
from chassis.edge import Recorder
from chassis.settings import ChassisSettings
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import generate_latest

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def out() -> Iterator[io.BytesIO]:
    stream = io.BytesIO()
    logs.setup(ChassisSettings(service_name="unit"), stream=stream)
    yield stream
    logs.setup(ChassisSettings())


def recorder(access_log: str = "all") -> Recorder:
    return Recorder(telemetry.setup(ChassisSettings(trace_sample_ratio=0.0)), access_log=access_log)


def read(out: io.BytesIO) -> list[dict[str, object]]:
    logs.flush()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_unsampled_request_is_measured_and_logged_without_a_span(out: io.BytesIO) -> None:
    subject = recorder()
    exchange = subject.begin("GET", {b"x-request-id": b"r-1"})
    assert exchange.span is None
    subject.end(exchange, "/{slug}", 302)
    labels = {"method": "GET", "route": "/{slug}", "status": "302"}
    assert REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels)
    (line,) = read(out)
    wanted = {"event": "http.served", "request_id": "r-1", "route": "/{slug}", "status": 302}
    assert line.items() >= wanted.items()
    assert line["trace_id"] == exchange.trace_id


def test_a_sampled_request_leaves_a_span_and_an_exemplar(out: io.BytesIO) -> None:
    subject = recorder("sampled")
    exchange = subject.begin("GET", {b"traceparent": SAMPLED.encode()})
    assert exchange.span is not None
    assert exchange.span.is_recording()
    subject.end(exchange, "/{slug}-sampled", 302)
    assert not exchange.span.is_recording()
    page = generate_latest(REGISTRY).decode()  # type: ignore[no-untyped-call]
    marked = [line for line in page.splitlines() if "4bf92f3577b34da6a3ce929d0e0e4736" in line]
    assert any('route="/{slug}-sampled"' in line for line in marked)
    assert len(read(out)) == 1


@pytest.mark.parametrize(
    ("access_log", "status", "lines"), [("sampled", 302, 0), ("errors", 302, 0), ("errors", 500, 1)]
)
def test_the_access_log_can_be_thinned_but_tells_every_error(
    out: io.BytesIO,
    access_log: str,
    status: int,
    lines: int,
) -> None:
    subject = recorder(access_log)
    subject.end(subject.begin("GET", {}), "/{slug}", status)
    assert len(read(out)) == lines


def test_methods_nobody_knows_share_one_label(out: io.BytesIO) -> None:
    subject = recorder()
    subject.end(subject.begin("BREW", {}), "/{slug}", 405)
    assert read(out)[0]["method"] == "OTHER"
