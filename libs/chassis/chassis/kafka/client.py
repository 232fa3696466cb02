"""The aiokafka consumer as the loops use it: made, left, and what it hands out."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import errors as kafka_errors
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from chassis.kafka.limits import ConsumerLimits
from chassis.records import Message
from chassis.settings import ChassisSettings


def new_consumer(
    settings: ChassisSettings,
    group: str,
    topics: Sequence[str],
    pattern: str | None,
    *,
    limits: ConsumerLimits,
    listener: ConsumerRebalanceListener,
    instance_id: str | None,
) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.service_name,
        group_id=group,
        group_instance_id=instance_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(StickyPartitionAssignor,),
        session_timeout_ms=int(limits.session_timeout_s * 1000),
        heartbeat_interval_ms=int(limits.heartbeat_s * 1000),
        rebalance_timeout_ms=int(limits.rebalance_timeout_s * 1000),
        max_poll_interval_ms=int(limits.poll_interval_max_s * 1000),
        fetch_max_bytes=limits.fetch_bytes_max,
        fetch_max_wait_ms=int(limits.poll_s * 1000),
        metadata_max_age_ms=int(limits.metadata_age_max_s * 1000),
        retry_backoff_ms=200,
    )
    consumer.subscribe(topics, pattern=pattern, listener=listener)
    return consumer


async def leave(consumer: AIOKafkaConsumer, *, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await consumer.stop()
    except (kafka_errors.KafkaError, OSError, TimeoutError):
        await consumer._client.close()  # noqa: SLF001 - stop() waits for a broker that is away


def message_of(record: Any) -> Message:
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
        record.timestamp,
    )
