"""How far behind a consumer is, in records and in seconds."""

import asyncio
import time
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka_errors

from chassis import metrics
from chassis.kafka.limits import ConsumerLimits

_RECORDS = metrics.gauge(
    "kafka_consumer_lag_records", "Records behind the end of the partition.", ("group", "topic", "partition")
)
_SECONDS = metrics.gauge(
    "kafka_consumer_lag_seconds", "Age of the oldest record not applied yet.", ("group", "topic", "partition")
)


class Lag:
    def __init__(self, group: str, limits: ConsumerLimits) -> None:
        self._group = group
        self._limits = limits
        self._reached: dict[TopicPartition, tuple[int, int]] = {}
        # Of partitions that are not fetched at the moment.
        self._ends: dict[TopicPartition, int] = {}
        self._ask_at = 0.0

    def reached(self, partition: TopicPartition, next_offset: int, timestamp_ms: int) -> None:
        """The partition was read up to `next_offset`, whose neighbour was written at `timestamp_ms`."""
        self._reached[partition] = (next_offset, timestamp_ms)

    async def observe(self, consumer: AIOKafkaConsumer, paused: Collection[TopicPartition]) -> None:
        await self._ask_for_ends(consumer, paused)
        now_ms = time.time() * 1000
        for partition, (next_offset, timestamp_ms) in self._reached.items():
            end = consumer.highwater(partition) if partition in consumer.assignment() else None
            if end is None:
                continue
            behind = max(0, end - next_offset, self._ends.get(partition, 0) - next_offset)
            labels = (self._group, partition.topic, str(partition.partition))
            _RECORDS.labels(*labels).set(behind)
            _SECONDS.labels(*labels).set(max(0.0, (now_ms - timestamp_ms) / 1000) if behind else 0.0)

    async def _ask_for_ends(self, consumer: AIOKafkaConsumer, paused: Collection[TopicPartition]) -> None:
        """A fetch tells the end of its partition; of a paused one the broker is asked now and then."""
        if not paused or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + self._limits.mirror_every_s
        try:
            async with asyncio.timeout(self._limits.mirror_timeout_s):
                self._ends = await consumer.end_offsets(list(paused))
        except (kafka_errors.KafkaError, TimeoutError):
            return

    def forget(self, partition: TopicPartition) -> None:
        """The new owner reports it now: two series of one partition would contradict each other."""
        self._ends.pop(partition, None)
        if self._reached.pop(partition, None) is not None:
            for gauge in (_RECORDS, _SECONDS):
                try:
                    gauge.remove(self._group, partition.topic, str(partition.partition))
                except KeyError:
                    continue
