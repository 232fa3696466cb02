"""Traces out of OTLP files: reading, ordering, printing."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.dashboards import trace, traces

ID = "0af7651916cd43dd8448eb211c80319c"
OTHER = "1bf7651916cd43dd8448eb211c80319d"
MS = 1_000_000


def raw(span_id: str, parent: str, name: str, start_ms: int, end_ms: int, **more: Any) -> dict[str, Any]:
    base = {"traceId": ID, "spanId": span_id, "parentSpanId": parent, "name": name}
    times = {"startTimeUnixNano": str(start_ms * MS), "endTimeUnixNano": str(end_ms * MS)}
    return base | times | more


def line(service: str, *spans: dict[str, Any]) -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = raw("a1", "", "GET /{slug}", 1000, 1010, kind="SPAN_KIND_SERVER")
    late = raw("a3", "a1", "postgres", 1005, 1009, kind=3)
    early = raw("a2", "a1", "redis", 1001, 1004, kind=3)
    (tmp_path / "shortener.jsonl").write_text(
        "\n".join([line("shortener", late, root), line("shortener", early)]) + "\n"
    )
    failed = raw("b1", "a3", "apply clicks", 1020, 1030, status={"code": 2, "message": "boom"})
    other = raw("c1", "", "GET /healthz", 2000, 2001, traceId=OTHER)
    (tmp_path / "shortener-worker.jsonl").write_text(
        line("worker", failed) + "\n" + line("worker", other) + "\n"
    )
    return tmp_path


def test_a_trace_is_put_together_from_the_files_of_all_processes(folder: Path) -> None:
    found = traces.find(folder, ID)
    assert [span.name for span in found] == ["GET /{slug}", "redis", "postgres", "apply clicks"]
    assert {span.service for span in found} == {"shortener", "worker"}
    assert found[0].kind == "server"
    assert found[1].kind == "client"


def test_a_waterfall_puts_children_under_their_parent_by_start(folder: Path) -> None:
    rows = [(depth, span.name) for depth, span in traces.waterfall(traces.find(folder, ID))]
    assert rows == [(0, "GET /{slug}"), (1, "redis"), (1, "postgres"), (2, "apply clicks")]


def test_a_span_whose_parent_was_not_kept_stands_at_the_top(folder: Path) -> None:
    orphans = [span for span in traces.find(folder, ID) if span.span_id != "a1"]
    assert [depth for depth, _ in traces.waterfall(orphans)] == [0, 0, 1]


def test_the_list_names_the_root_and_marks_failures(folder: Path) -> None:
    newest, oldest = traces.latest(folder)
    assert (newest.trace_id, newest.name, newest.failed) == (OTHER, "GET /healthz", False)
    assert (oldest.name, oldest.spans, oldest.failed) == ("GET /{slug}", 4, True)
    assert oldest.duration_ns == 30 * MS


def test_a_line_cut_off_by_a_crash_is_passed_over(folder: Path) -> None:
    with (folder / "shortener.jsonl").open("a") as file:
        file.write('{"resourceSpans": [{"resource"')
    assert len(traces.find(folder, ID)) == 4


def test_only_the_end_of_a_large_file_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        traces, "LISTING_BYTES_MAX", len(line("shortener", raw("a2", "a1", "redis", 1001, 1004))) + 60
    )
    assert next(one for one in traces.latest(folder) if one.trace_id == ID).spans < 4


def test_the_beginning_of_an_id_is_enough(folder: Path) -> None:
    assert traces.complete(folder, ID[:6]) == ID
    assert traces.complete(folder, "ffff") is None


def test_a_folder_that_does_not_exist_holds_no_trace(tmp_path: Path) -> None:
    assert traces.latest(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"stringValue": "x"}, "x"),
        ({"intValue": "7"}, 7),
        ({"boolValue": True}, True),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}}, [1, "b"]),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}}, {"k": 0.5}),
    ],
)
def test_attributes_are_plain_values(value: dict[str, Any], plain: object) -> None:
    span = raw("a1", "", "x", 0, 1, attributes=[{"key": "a", "value": value}])
    [parsed] = traces.parse(line("s", span))
    assert parsed.attributes == {"a": plain}


def test_the_terminal_shows_every_span_with_its_time(folder: Path) -> None:
    console = Console(width=120, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        trace.show_trace(console, traces.find(folder, ID))
    text = captured.get()
    rows = [row for row in text.splitlines() if "━" in row]
    assert len(rows) == 4
    assert "10.00 ms" in rows[0]
    assert "boom" in rows[3]
    assert rows[3].rstrip().endswith("━"), "the last span ends where the trace ends"


@pytest.mark.parametrize(
    ("nanoseconds", "text"), [(5, "5 ns"), (1500, "1.50 µs"), (2_000_000, "2.00 ms"), (3 * 10**9, "3.00 s")]
)
def test_a_duration_is_read_in_its_own_unit(nanoseconds: int, text: str) -> None:
    assert trace.duration(nanoseconds) == text
