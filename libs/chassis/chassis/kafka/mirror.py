"""Positions that live in Postgres, told to Kafka now and then, where the usual tools look for them."""

import asyncio
import time
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka import errors as kafka_errors

from chassis import logs
from chassis.kafka.limits import ConsumerLimits

log = logs.get_logger(__name__)


class Mirror:
    """Nobody reads them back: the rows stay the truth, whatever is committed or reset in Kafka."""

    def __init__(self, group: str, limits: ConsumerLimits) -> None:
        self._group = group
        self._limits = limits
        self._told: dict[TopicPartition, int] = {}
        self._next_at = 0.0

    async def reflect(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], *, now: bool = False
    ) -> None:
        """At most every `mirror_every_s`, unless it must be `now`."""
        if not now and time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + self._limits.mirror_every_s
        owned = consumer.assignment()
        moved = {
            partition: offset
            for partition, offset in positions.items()
            if partition in owned and offset >= 0 and self._told.get(partition) != offset
        }
        if not moved:
            return
        try:
            async with asyncio.timeout(self._limits.mirror_timeout_s):
                await consumer.commit(moved)
        except (kafka_errors.KafkaError, TimeoutError) as error:
            log.debug("consumer.mirror_refused", group=self._group, error=type(error).__name__)
        else:
            self._told |= moved

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Others may tell of them meanwhile."""
        for partition in partitions:
            self._told.pop(partition, None)
