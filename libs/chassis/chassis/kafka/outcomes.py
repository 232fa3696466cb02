"""What became of records, counted."""

from collections.abc import Sequence

from chassis import metrics
from chassis.records import Message

_RECORDS = metrics.counter(
    "kafka_consumer_records_total", "Records by what became of them.", ("group", "topic", "outcome")
)


def count(group: str, messages: Sequence[Message], outcome: str) -> None:
    """After the commit."""
    by_topic: dict[str, int] = {}
    for message in messages:
        by_topic[message.topic] = by_topic.get(message.topic, 0) + 1
    for topic, number in by_topic.items():
        _RECORDS.labels(group, topic, outcome).inc(number)
