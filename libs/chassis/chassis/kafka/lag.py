"""How far behind a consumer is, in records and in seconds."""

import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis import metrics

_RECORDS = metrics.gauge(
    "kafka_consumer_lag_records", "Records behind the end of the partition.", ("group", "topic", "partition")
)
_SECONDS = metrics.gauge(
    "kafka_consumer_lag_seconds", "Age of the oldest record not applied yet.", ("group", "topic", "partition")
)


class Lag:
    def __init__(self, group: str) -> None:
        self._group = group
        self._reached: dict[TopicPartition, tuple[int, int]] = {}

    def reached(self, partition: TopicPartition, next_offset: int, timestamp_ms: int) -> None:
        """The partition was read up to `next_offset`, whose neighbour was written at `timestamp_ms`."""
        self._reached[partition] = (next_offset, timestamp_ms)

    def observe(self, consumer: AIOKafkaConsumer) -> None:
        now_ms = time.time() * 1000
        for partition, (next_offset, timestamp_ms) in self._reached.items():
            end = consumer.highwater(partition) if partition in consumer.assignment() else None
            if end is None:
                continue
            behind = max(0, end - next_offset)
            labels = (self._group, partition.topic, str(partition.partition))
            _RECORDS.labels(*labels).set(behind)
            _SECONDS.labels(*labels).set(max(0.0, (now_ms - timestamp_ms) / 1000) if behind else 0.0)

    def forget(self, partition: TopicPartition) -> None:
        """The new owner reports it now: two series of one partition would contradict each other."""
        if self._reached.pop(partition, None) is not None:
            for gauge in (_RECORDS, _SECONDS):
                try:
                    gauge.remove(self._group, partition.topic, str(partition.partition))
                except KeyError:
                    continue
