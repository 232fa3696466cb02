"""Reads the trace files of the local runtime: OTLP JSON, one export request a line."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Only the end of a file is searched: the answer stays quick however long the stack runs.
TAIL_BYTES_MAX = 64 * 1024 * 1024
LISTING_BYTES_MAX = 4 * 1024 * 1024
LISTED_MAX = 100


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    at_ns: int
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    status: str
    attributes: dict[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list of traces; its name is the root's, or else the earliest span's."""

    trace_id: str
    name: str
    services: tuple[str, ...]
    spans: int
    start_ns: int
    duration_ns: int
    failed: bool


_KINDS = ("", "internal", "server", "client", "producer", "consumer")
_STATUS_ERROR = 2


def _kind(value: object) -> str:
    if isinstance(value, str):
        return value.removeprefix("SPAN_KIND_").lower()
    return _KINDS[value] if isinstance(value, int) and 0 <= value < len(_KINDS) else ""


def _plain(value: dict[str, Any]) -> Any:
    """The value inside OTLP's AnyValue."""
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return [_plain(item) for item in inner.get("values", [])]
        if kind == "kvlistValue":
            return _attributes(inner.get("values", []))
        return inner
    return None


def _attributes(pairs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _plain(pair.get("value", {})) for pair in pairs}


def _span(raw: dict[str, Any], service: str) -> Span:
    status = raw.get("status", {})
    failed = status.get("code") in (_STATUS_ERROR, "STATUS_CODE_ERROR")
    return Span(
        trace_id=raw["traceId"],
        span_id=raw["spanId"],
        parent_id=raw.get("parentSpanId", ""),
        name=raw.get("name", ""),
        service=service,
        kind=_kind(raw.get("kind")),
        start_ns=int(raw["startTimeUnixNano"]),
        end_ns=int(raw["endTimeUnixNano"]),
        failed=failed,
        status=status.get("message", "") or ("error" if failed else ""),
        attributes=_attributes(raw.get("attributes", [])),
        events=tuple(
            Event(event.get("name", ""), int(event["timeUnixNano"]), _attributes(event.get("attributes", [])))
            for event in raw.get("events", [])
        ),
    )


def parse(line: str) -> Iterator[Span]:
    """The spans of one export request; a line that was cut off by a crash holds none."""
    try:
        request = json.loads(line)
    except json.JSONDecodeError:
        return
    for resource in request.get("resourceSpans", []):
        service = _attributes(resource.get("resource", {}).get("attributes", [])).get("service.name", "?")
        for scope in resource.get("scopeSpans", []):
            for raw in scope.get("spans", []):
                yield _span(raw, service)


def _tail(path: Path, bytes_max: int) -> Iterator[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - bytes_max))
        if size > bytes_max:
            file.readline()  # the rest of a line that began earlier
        for line in file:
            yield line.decode("utf-8", "replace")


def find(folder: Path, trace_id: str) -> list[Span]:
    """Every span of a trace, in all processes' files, by start."""
    spans = [
        span
        for path in sorted(folder.glob("*.jsonl"))
        for line in _tail(path, TAIL_BYTES_MAX)
        if trace_id in line
        for span in parse(line)
        if span.trace_id == trace_id
    ]
    return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))


def complete(folder: Path, prefix: str) -> str | None:
    """The newest trace id that begins so."""
    return next((one.trace_id for one in latest(folder) if one.trace_id.startswith(prefix)), None)


def latest(folder: Path, limit: int = LISTED_MAX) -> list[Summary]:
    """The newest traces of the files' ends, newest first."""
    by_trace: dict[str, list[Span]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        # Bounded: a file of large lines must not fill memory.
        for line in deque(_tail(path, LISTING_BYTES_MAX), maxlen=10_000):
            for span in parse(line):
                by_trace.setdefault(span.trace_id, []).append(span)
    listed = sorted(map(_summary, by_trace.values()), key=lambda one: one.start_ns, reverse=True)
    return listed[:limit]


def _summary(spans: list[Span]) -> Summary:
    start = min(span.start_ns for span in spans)
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    root = min(roots or spans, key=lambda span: span.start_ns)
    return Summary(
        trace_id=root.trace_id,
        name=root.name,
        services=tuple(sorted({span.service for span in spans})),
        spans=len(spans),
        start_ns=start,
        duration_ns=max(span.end_ns for span in spans) - start,
        failed=any(span.failed for span in spans),
    )


def waterfall(spans: list[Span]) -> list[tuple[int, Span]]:
    """(depth, span), children under their parent by start; one whose parent is missing stands at the top."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    ordered: list[tuple[int, Span]] = []
    waiting = [(0, span) for span in reversed(children.get("", []))]
    while waiting:
        depth, span = waiting.pop()
        ordered.append((depth, span))
        waiting.extend((depth + 1, child) for child in reversed(children.get(span.span_id, [])))
    return ordered
