"""A consumer's span: in the trace of the first sampled message of its batch, linked to the others."""

import contextlib
from collections.abc import Iterator, Sequence

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from chassis.records import TRACEPARENT, Message
from chassis.telemetry import parse_traceparent, use_span_context

SAMPLED = b"01"
tracer = trace.get_tracer(__name__)


@contextlib.contextmanager
def span_of(group: str, messages: Sequence[Message], *, links_max: int) -> Iterator[None]:
    """Costs a look at the headers when nothing is sampled."""
    sampled = _sampled(messages, links_max)
    if not sampled:
        yield
        return
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.consumer.group.name": group,
        "messaging.destination.name": messages[0].topic,
        "messaging.batch.message_count": len(messages),
    }
    links = [trace.Link(other) for other in sampled[1:]]
    name = f"process {messages[0].topic}"
    with (
        use_span_context(sampled[0]),
        tracer.start_as_current_span(name, kind=trace.SpanKind.CONSUMER, attributes=attributes, links=links),
    ):
        yield


def _sampled(messages: Sequence[Message], most: int) -> list[SpanContext]:
    """The distinct sampled spans that the messages come from, the first `most` of them."""
    found: dict[bytes, SpanContext] = {}
    for message in messages:
        for name, value in message.headers:
            if name == TRACEPARENT and value and value.endswith(SAMPLED) and value not in found:
                parent = parse_traceparent(value)
                if parent is not None:
                    found[value] = parent
                if len(found) == most:
                    return list(found.values())
    return list(found.values())
