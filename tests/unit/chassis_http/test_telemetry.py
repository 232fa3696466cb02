"""Traces: the head decision, the W3C header, the file of OTLP/JSON lines."""

import json
import re
from pathlib import Path

import pytest
from chassis import telemetry
from chassis.metrics import exemplar
from chassis.settings import ChassisSettings
from chassis.telemetry import Telemetry, current_traceparent, parse_traceparent, use_traceparent
from opentelemetry import trace

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = SAMPLED[:-1] + "0"


def traced(path: Path | None = None, *, ratio: float = 1.0, bytes_max: int = 1_000_000) -> Telemetry:
    settings = ChassisSettings(
        service_name="unit",
        trace_file=path,
        trace_sample_ratio=ratio,
        trace_file_bytes_max=bytes_max,
    )
    return telemetry.setup(settings)


def spans_of(path: Path) -> list[dict[str, object]]:
    return [
        span
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_the_ratio_decides_for_new_traces() -> None:
    assert not any(traced(ratio=0.0).head(None).sampled for _ in range(200))
    assert all(traced(ratio=1.0).head(None).sampled for _ in range(20))
    tenth = traced(ratio=0.1)
    assert 100 < sum(tenth.head(None).sampled for _ in range(2000)) < 320


def test_the_parents_decision_holds_whatever_the_ratio() -> None:
    assert traced(ratio=0.0).head(SAMPLED.encode()).sampled
    assert not traced(ratio=1.0).head(NOT_SAMPLED.encode()).sampled


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00",
        SAMPLED.upper(),
        SAMPLED + "-extra",
        "ff" + SAMPLED[2:],
        "00-" + "0" * 32 + SAMPLED[35:],
        SAMPLED[:36] + "0" * 16 + "-01",
        "00-zz" + SAMPLED[5:],
    ],
)
def test_a_malformed_traceparent_begins_a_new_trace(given: str) -> None:
    assert parse_traceparent(given) is None
    assert traced().head(given.encode()).parent is None


def test_a_later_version_of_the_header_is_read_as_far_as_it_is_known() -> None:
    parsed = parse_traceparent("01" + SAMPLED[2:] + "-more")
    assert parsed is not None
    assert parsed.trace_flags.sampled


def test_the_span_of_a_head_has_its_trace_id_and_parent() -> None:
    traces = traced()
    for header in (None, SAMPLED.encode()):
        head = traces.head(header)
        span = traces.start_span(head, "GET")
        assert span.is_recording()
        assert span.get_span_context().trace_id == head.trace_id
        span.end()


def test_the_traceparent_goes_in_and_out() -> None:
    assert current_traceparent() is None
    with use_traceparent(SAMPLED):
        assert current_traceparent() == SAMPLED
    with use_traceparent("nonsense"):
        assert current_traceparent() is None


def test_an_exemplar_exists_only_for_a_trace_that_can_be_opened() -> None:
    assert exemplar() is None
    with use_traceparent(NOT_SAMPLED):
        assert exemplar() is None
    with use_traceparent(SAMPLED):
        assert exemplar() == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


def test_the_file_holds_otlp_json_with_hex_ids_and_numbered_enums(tmp_path: Path) -> None:
    path = tmp_path / "traces" / "unit.jsonl"
    traces = traced(path)
    span = traces.start_span(traces.head(SAMPLED.encode()), "GET", attributes={"http.route": "/x"})
    with trace.use_span(span, end_on_exit=True), traces.tracer.start_as_current_span("child"):
        pass
    traces.shutdown()
    by_name = {str(span["name"]): span for span in spans_of(path)}
    root, child = by_name["GET"], by_name["child"]
    assert root["traceId"] == child["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert root["parentSpanId"] == "00f067aa0ba902b7"
    assert child["parentSpanId"] == root["spanId"]
    assert re.fullmatch(r"[0-9a-f]{16}", str(root["spanId"]))
    assert root["kind"] == 2
    assert root["attributes"] == [{"key": "http.route", "value": {"stringValue": "/x"}}]
    resource = json.loads(path.read_text().splitlines()[0])["resourceSpans"][0]["resource"]
    assert {"key": "service.name", "value": {"stringValue": "unit"}} in resource["attributes"]


def test_the_file_is_bounded_by_turning_it_over_once(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    traces = traced(path, bytes_max=4096)
    for _ in range(30):
        traces.start_span(traces.head(None), "GET").end()
        traces.provider.force_flush()
    traces.shutdown()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["unit.jsonl", "unit.jsonl.1"]
    assert all(file.stat().st_size <= 4096 for file in tmp_path.iterdir())


def test_a_disk_that_refuses_the_file_does_not_stop_the_service(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    traces = traced(path)
    path.mkdir()
    traces.start_span(traces.head(None), "GET").end()
    traces.provider.force_flush()
    path.rmdir()
    traces.start_span(traces.head(None), "GET").end()
    traces.shutdown()
    assert len(spans_of(path)) == 1
