"""Traces: OpenTelemetry with a head decision that costs nothing when the answer is no."""

import json
import os
import random
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
from google.protobuf.json_format import MessageToDict
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

from chassis.settings import ChassisSettings

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_EXPORT_TIMEOUT_S = 5.0
_TRACE_IDS_AT_ONCE = 256


def parse_traceparent(value: bytes | str | None) -> SpanContext | None:
    """The remote parent of a W3C traceparent; none when it is absent or malformed."""
    if not value:
        return None
    match = _TRACEPARENT.fullmatch(value.encode("latin-1", "replace") if isinstance(value, str) else value)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest):
        return None
    sampled = _SAMPLED if int(flags, 16) & TraceFlags.SAMPLED else _NOT_SAMPLED
    parsed = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)
    return parsed if parsed.is_valid else None


def format_traceparent(span: SpanContext) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags & TraceFlags.SAMPLED:02x}"


def current_traceparent() -> str | None:
    """What to send with a request, an outbox row or a Kafka record; none outside a trace."""
    span = trace.get_current_span().get_span_context()
    return format_traceparent(span) if span.is_valid else None


@contextmanager
def use_traceparent(value: bytes | str | None) -> Iterator[None]:
    """Spans inside are children of that remote span; an absent or malformed value changes nothing."""
    parent = parse_traceparent(value)
    if parent is None:
        yield
        return
    with use_span_context(parent):
        yield


@contextmanager
def use_span_context(span: SpanContext) -> Iterator[None]:
    token = otel_context.attach(trace.set_span_in_context(NonRecordingSpan(span)))
    try:
        yield
    finally:
        otel_context.detach(token)


class _HandedIds(RandomIdGenerator):
    """Gives the trace id that the head decision was made on to the span which follows from it."""

    def __init__(self) -> None:
        self.next_trace_id: int | None = None

    def generate_trace_id(self) -> int:
        handed, self.next_trace_id = self.next_trace_id, None
        return super().generate_trace_id() if handed is None else handed


class Head(msgspec.Struct, gc=False):
    """The decision at the head of a request: its trace id, whether it is sampled, and the remote parent."""

    trace_id_hex: str
    sampled: bool
    parent: SpanContext | None

    @property
    def trace_id(self) -> int:
        return int(self.trace_id_hex, 16)

    def exemplar(self) -> dict[str, str] | None:
        return {"trace_id": self.trace_id_hex} if self.sampled else None

    def unsampled_context(self) -> SpanContext:
        """What callees see of an unsampled request: the trace id travels, and children stay unsampled too."""
        return SpanContext(self.trace_id, random.getrandbits(64) or 1, is_remote=False)


def _trace_ids() -> Iterator[str]:
    """Random ids as hex, made by the hundred: one by one, each costs three times as much."""
    while True:
        digits = random.randbytes(16 * _TRACE_IDS_AT_ONCE).hex()  # noqa: S311 - no secret
        yield from (digits[at : at + 32] for at in range(0, len(digits), 32))


def _sampling_bound(ratio: float) -> str:
    """The last 16 digits of a sampled trace id sort below this; OpenTelemetry's own bound, as hex."""
    bound = TraceIdRatioBased.get_bound_for_rate(ratio)
    return f"{bound:016x}" if bound <= TraceIdRatioBased.TRACE_ID_LIMIT else "g"


class Telemetry:
    """The tracer of a process and the decision that stands before it."""

    def __init__(self, provider: TracerProvider, ids: _HandedIds, ratio: float) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer("chassis")
        self._ids = ids
        self._bound = _sampling_bound(ratio)
        self._trace_ids = _trace_ids()

    def head(self, traceparent: bytes | None) -> Head:
        """ParentBased(TraceIdRatio) in half a microsecond, before any span object exists."""
        if traceparent is not None:
            parent = parse_traceparent(traceparent)
            if parent is not None:
                return Head(f"{parent.trace_id:032x}", parent.trace_flags.sampled, parent)
        trace_id = next(self._trace_ids)
        return Head(trace_id, trace_id[16:] < self._bound, None)

    def start_span(
        self,
        head: Head,
        name: str,
        *,
        kind: SpanKind = SpanKind.SERVER,
        attributes: dict[str, AttributeValue] | None = None,
        start_time_ns: int | None = None,
    ) -> Span:
        """The span of a sampled head (never call it for another); the caller ends it."""
        if head.parent is not None:
            parent = trace.set_span_in_context(NonRecordingSpan(head.parent), Context())
        else:
            parent = Context()
            self._ids.next_trace_id = head.trace_id
        return self.tracer.start_span(name, parent, kind, attributes, start_time=start_time_ns)

    def shutdown(self) -> None:
        """Exports what is queued; bounded by the exporters' timeouts."""
        self.provider.shutdown()


def setup(settings: ChassisSettings) -> Telemetry:
    """The first call of a process also sets the global provider that `trace.get_tracer` resolves to."""
    ids = _HandedIds()
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
        id_generator=ids,
        resource=Resource.create(
            {
                "service.name": settings.service_name,
                "service.version": settings.service_version,
                "service.instance.id": f"{settings.service_name}:{settings.http_port}:{os.getpid()}",
                "deployment.environment.name": settings.environment,
            },
        ),
    )
    for exporter in _exporters(settings):
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=settings.trace_queue_max,
                max_export_batch_size=min(512, settings.trace_queue_max),
                schedule_delay_millis=settings.trace_export_interval_s * 1000,
            ),
        )
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(provider)
    return Telemetry(provider, ids, settings.trace_sample_ratio)


def _exporters(settings: ChassisSettings) -> list[SpanExporter]:
    exporters: list[SpanExporter] = []
    if settings.otel_exporter_otlp_endpoint:
        endpoint = settings.otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
        exporters.append(OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_TIMEOUT_S))
    if settings.trace_file:
        exporters.append(JsonLinesExporter(settings.trace_file, bytes_max=settings.trace_file_bytes_max))
    return exporters


class JsonLinesExporter(SpanExporter):
    """Appends one OTLP/JSON ExportTraceServiceRequest a line; at `bytes_max` the file becomes `<name>.1`.

    Two files of at most that size are kept. Ids are lowercase hex and enums numbers, as OTLP/JSON has them.
    """

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        request = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
        _hex_ids(request)
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        try:
            self._append(line)
        except OSError:
            self._close()
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._close()

    def _append(self, line: bytes) -> None:
        file = self._file
        if file is None:
            file = self._file = self._path.open("ab")
        if file.tell() and file.tell() + len(line) > self._bytes_max:
            self._close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            file = self._file = self._path.open("ab")
        file.write(line)
        file.flush()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _hex_ids(request: dict[str, Any]) -> None:
    """Protobuf's JSON writes bytes as base64; OTLP/JSON wants ids in hex."""
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                _hex_fields(span, ("traceId", "spanId", "parentSpanId"))
                for link in span.get("links", ()):
                    _hex_fields(link, ("traceId", "spanId"))


def _hex_fields(message: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in message:
            message[name] = b64decode(message[name]).hex()
