"""The consumer's span continues the trace of a sampled message."""

import pytest
from chassis.kafka import tracing
from chassis.records import Message
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    return exporter


def message(trace_digit: str, *, sampled: bool) -> Message:
    flags = b"01" if sampled else b"00"
    header = b"00-" + trace_digit.encode() * 32 + b"-" + b"b" * 16 + b"-" + flags
    return Message("t", 0, 0, b"k", b"v", (("ce_id", b"1"), ("traceparent", header)))


def test_a_batch_is_a_span_of_its_first_sampled_trace_linked_to_the_others(
    spans: InMemorySpanExporter,
) -> None:
    batch = [
        message("1", sampled=False),
        message("2", sampled=True),
        message("3", sampled=True),
        message("2", sampled=True),
    ]
    with tracing.span_of("g", batch, links_max=32):
        assert format(trace.get_current_span().get_span_context().trace_id, "032x") == "2" * 32
    [span] = spans.get_finished_spans()
    assert span.name == "process t"
    assert span.kind is trace.SpanKind.CONSUMER
    assert [format(link.context.trace_id, "032x") for link in span.links] == ["3" * 32]


def test_an_unsampled_batch_costs_no_span(spans: InMemorySpanExporter) -> None:
    with tracing.span_of("g", [message("1", sampled=False), Message("t", 0, 1, None, None)], links_max=32):
        assert not trace.get_current_span().get_span_context().is_valid
    assert not spans.get_finished_spans()


def test_links_are_bounded(spans: InMemorySpanExporter) -> None:
    batch = [message(f"{n:x}", sampled=True) for n in range(1, 16)]
    with tracing.span_of("g", batch, links_max=4):
        pass
    assert len(spans.get_finished_spans()[0].links) == 3
