"""A consumer's span: in the trace of the first sampled message of its batch, linked to the others."""

import contextlib
from collections.abc import Iterator, Sequence

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.records import TRACEPARENT, Message

tracer = trace.get_tracer(__name__)
_propagator = TraceContextTextMapPropagator()


@contextlib.contextmanager
def span_of(group: str, messages: Sequence[Message], *, links_max: int) -> Iterator[None]:
    """Costs a look at the headers when nothing is sampled."""
    sampled = _sampled(messages, links_max)
    if not sampled:
        yield
        return
    context = _propagator.extract({TRACEPARENT: sampled[0]})
    links = [
        trace.Link(trace.get_current_span(_propagator.extract({TRACEPARENT: other})).get_span_context())
        for other in sampled[1:]
    ]
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.consumer.group.name": group,
        "messaging.destination.name": messages[0].topic,
        "messaging.batch.message_count": len(messages),
    }
    with tracer.start_as_current_span(
        f"process {messages[0].topic}", context, trace.SpanKind.CONSUMER, attributes, links
    ):
        yield


def _sampled(messages: Sequence[Message], most: int) -> list[str]:
    found: dict[str, None] = {}
    for message in messages:
        for name, value in message.headers:
            if name == TRACEPARENT and value.endswith(b"01"):
                found[value.decode("ascii", "replace")] = None
                if len(found) == most:
                    return list(found)
    return list(found)
