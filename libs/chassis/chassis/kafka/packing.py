"""Records into a batch, each with the trace it belongs to."""

from collections.abc import Sequence

from aiokafka.producer.message_accumulator import BatchBuilder

from chassis.records import TRACEPARENT, Headers, Record
from chassis.telemetry import current_traceparent


def fill(batch: BatchBuilder, indexes: list[int], first: int, records: Sequence[Record], *, most: int) -> int:
    """Append until the batch is full; the answer is the place of the first record that it did not take."""
    traceparent = current_traceparent()
    at = first
    while at < len(indexes) and at - first < most:
        record = records[indexes[at]]
        headers = _with_trace(record.headers, traceparent)
        if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
            break
        at += 1
    batch.close()
    return at


def _with_trace(headers: Headers, traceparent: str | None) -> list[tuple[str, bytes]]:
    """A record that carries no trace of its own takes the current one."""
    if traceparent is not None and not any(name == TRACEPARENT for name, _ in headers):
        return [*headers, (TRACEPARENT, traceparent.encode())]
    return headers if isinstance(headers, list) else list(headers)
