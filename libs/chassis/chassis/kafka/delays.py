"""Partitions whose records wait a fixed time: paused until their head is due, while others flow on."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import metrics

_PAUSED = metrics.gauge(
    "kafka_consumer_paused_partitions", "Partitions that wait for their head to be due.", ("group",)
)


class Delays:
    """`delays`: topic -> seconds, counted from a record's timestamp, so the head is the first to be due."""

    def __init__(self, group: str, delays: Mapping[str, float]) -> None:
        self._gauge = _PAUSED.labels(group)
        self._delays = delays
        self._due_at: dict[TopicPartition, float] = {}

    @property
    def paused(self) -> frozenset[TopicPartition]:
        return frozenset(self._due_at)

    def due(self, partition: TopicPartition, records: Sequence[Any]) -> Sequence[Any]:
        """The records that need not wait any longer."""
        delay_s = self._delays.get(partition.topic)
        if delay_s is None:
            return records
        now = time.time()
        count = next((n for n, r in enumerate(records) if r.timestamp / 1000 + delay_s > now), len(records))
        return records[:count]

    def pause(self, consumer: AIOKafkaConsumer, partition: TopicPartition, head: Any) -> None:
        """Until `head` is due: the client holds the partition, its membership and the others' flow."""
        self._due_at[partition] = head.timestamp / 1000 + self._delays[partition.topic]
        consumer.pause(partition)
        self._gauge.set(len(self._due_at))

    def resume_due(self, consumer: AIOKafkaConsumer) -> None:
        now = time.time()
        self.resume(consumer, [partition for partition, due_at in self._due_at.items() if due_at <= now])

    def resume(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            if self._due_at.pop(partition, None) is not None and partition in consumer.assignment():
                consumer.resume(partition)
        self._gauge.set(len(self._due_at))

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """A partition that comes back is not paused."""
        for partition in partitions:
            self._due_at.pop(partition, None)
        self._gauge.set(len(self._due_at))
