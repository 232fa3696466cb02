"""A producer that outlives its broker: bounded sends, awaited acks, a fresh client after every break."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors
from opentelemetry import trace

from chassis import logs, metrics
from chassis.kafka import quiet
from chassis.kafka.packing import fill
from chassis.kafka.partition import partition_of
from chassis.kafka.teardown import discard
from chassis.records import (
    Ack,
    BrokerAway,
    QueueFull,
    Record,
    RecordRefused,
    Result,
    SendFailed,
    TopicUnknown,
)
from chassis.settings import ChassisSettings

log = logs.get_logger(__name__)
tracer = trace.get_tracer(__name__)

_RECORDS = metrics.counter(
    "kafka_producer_records_total",
    "Records by topic and whether the broker acknowledged them.",
    ("topic", "outcome"),
)
_SECONDS = metrics.histogram(
    "kafka_producer_send_seconds", "From the send to the last acknowledgement.", ("topic",)
)
_CONNECTED = metrics.gauge("kafka_producer_connected", "1 while the producer has a working client.")

# The record, not the connection, is at fault: the client stays.
_RECORD_ERRORS = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidTopicError,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.IllegalArgumentError,
)


@dataclass(frozen=True, slots=True)
class ProducerLimits:
    send_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    metadata_timeout_s: float = 3.0
    unknown_topic_pause_s: float = 2.0
    unknown_topics_max: int = 1_000
    look_again_s: float = 0.3
    stop_timeout_s: float = 5.0
    discard_timeout_s: float = 1.5
    retry_min_s: float = 0.25
    retry_max_s: float = 2.0
    batch_bytes_max: int = 256 * 1024
    request_bytes_max: int = 4 * 1024 * 1024
    inflight_records_max: int = 100_000
    # None: the values are compressed already.
    compression: Literal["lz4"] | None = "lz4"


class Producer:
    """acks=all, idempotent, no linger. `start` never fails: it connects in the background; sends wait."""

    def __init__(self, settings: ChassisSettings, limits: ProducerLimits | None = None) -> None:
        self._bootstrap = settings.kafka_bootstrap
        self._client_id = settings.service_name
        self._limits = limits or ProducerLimits()
        self._client: AIOKafkaProducer | None = None
        self._ready = asyncio.Event()
        self._broken = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._inflight = 0
        # Topic -> when to look for it again.
        self._unknown: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def start(self) -> None:
        quiet.install()
        self._keeper = asyncio.create_task(self._keep_client(), name="kafka-producer")

    async def stop(self) -> None:
        """Wait for what is in flight, at most `stop_timeout_s`, then leave."""
        if self._client is not None:
            try:
                async with asyncio.timeout(self._limits.stop_timeout_s):
                    await self._client.flush()
            except TimeoutError:
                log.warning("kafka.producer_flush_timed_out", records=self._inflight)
        self._client = None
        self._ready.clear()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def send(self, record: Record) -> Ack:
        """One record to its acknowledgement; raises `SendFailed`."""
        result = (await self.send_many([record]))[0]
        if isinstance(result, SendFailed):
            raise result
        return result

    async def send_many(self, records: Sequence[Record]) -> list[Result]:
        """Send as one batch a partition, in order; after a failure the rest of that partition is not sent."""
        if not records:
            return []
        if self._inflight + len(records) > self._limits.inflight_records_max:
            full = QueueFull(f"{self._inflight} records await their acknowledgement")
            return self._count(records, [full] * len(records))
        results: list[Result] = [BrokerAway("the broker did not answer in time")] * len(records)
        started = time.perf_counter()
        self._inflight += len(records)
        client: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(self._limits.send_timeout_s):
                client = await self._connected_client()
                await self._send_grouped(client, records, results)
        except TimeoutError:
            # An idempotent send never expires by itself: only a new client forgets it.
            self._break(client, "timeout")
        finally:
            self._inflight -= len(records)
        _SECONDS.labels(records[0].topic).observe(time.perf_counter() - started, metrics.exemplar())
        return self._count(records, results)

    async def _connected_client(self) -> AIOKafkaProducer:
        while self._client is None:
            await self._ready.wait()
        return self._client

    async def _send_grouped(
        self, client: AIOKafkaProducer, records: Sequence[Record], results: list[Result]
    ) -> None:
        by_topic: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            by_topic.setdefault(record.topic, []).append(index)
        await asyncio.gather(
            *(
                self._send_topic(client, topic, indexes, records, results)
                for topic, indexes in by_topic.items()
            )
        )

    async def _send_topic(
        self,
        client: AIOKafkaProducer,
        topic: str,
        indexes: list[int],
        records: Sequence[Record],
        results: list[Result],
    ) -> None:
        count = await self._partition_count(client, topic)
        if count is None:
            for index in indexes:
                results[index] = TopicUnknown(topic)
            return
        lone = random.randrange(count)  # noqa: S311 - spreads records without a key
        groups: dict[int, list[int]] = {}
        for index in indexes:
            key = records[index].key
            groups.setdefault(lone if key is None else partition_of(key, count), []).append(index)
        await asyncio.gather(
            *(
                self._send_partition(client, topic, partition, group, records, results)
                for partition, group in groups.items()
            )
        )

    async def _partition_count(self, client: AIOKafkaProducer, topic: str) -> int | None:
        """A topic that is not there is waited for once, then looked for now and then: others go on."""
        look_at = self._unknown.get(topic)
        if look_at is not None and time.monotonic() < look_at:
            return None
        limits = self._limits
        try:
            async with asyncio.timeout(limits.metadata_timeout_s if look_at is None else limits.look_again_s):
                count = len(await client.partitions_for(topic))
        except (TimeoutError, kafka_errors.KafkaError):
            if len(self._unknown) >= limits.unknown_topics_max:
                self._unknown.clear()
            self._unknown[topic] = time.monotonic() + limits.unknown_topic_pause_s
            return None
        self._unknown.pop(topic, None)
        return count

    async def _send_partition(
        self,
        client: AIOKafkaProducer,
        topic: str,
        partition: int,
        indexes: list[int],
        records: Sequence[Record],
        results: list[Result],
        *,
        alone: bool = False,
    ) -> None:
        at = 0
        while at < len(indexes):
            batch, first = client.create_batch(), at
            at = fill(batch, indexes, first, records, most=1 if alone else len(indexes))
            mine = indexes[first:at]
            try:
                metadata = await (await client.send_batch(batch, topic, partition=partition))
            except _RECORD_ERRORS as error:
                if len(mine) == 1:
                    self._fail(client, error, mine, results)
                    continue
                # The broker judges a batch as one: ask again for each.
                await self._send_partition(client, topic, partition, mine, records, results, alone=True)
                if any(isinstance(results[index], BrokerAway) for index in mine):
                    return
            except kafka_errors.KafkaError as error:
                self._fail(client, error, mine, results)
                return
            else:
                for offset, index in enumerate(mine, metadata.offset):
                    results[index] = Ack(partition, offset)

    def _fail(
        self,
        client: AIOKafkaProducer,
        error: kafka_errors.KafkaError,
        indexes: list[int],
        results: list[Result],
    ) -> None:
        text = f"{type(error).__name__}: {error}"
        refused = isinstance(error, _RECORD_ERRORS)
        for index in indexes:
            results[index] = RecordRefused(text) if refused else BrokerAway(text)
        if not refused:
            self._break(client, type(error).__name__)

    def _break(self, client: AIOKafkaProducer | None, reason: str) -> None:
        if client is None or client is not self._client:
            return
        log.warning("kafka.producer_broken", reason=reason)
        self._client = None
        self._ready.clear()
        self._broken.set()

    async def _keep_client(self) -> None:
        """One client at a time; after each a pause, longer while no attempt to connect succeeds."""
        pause_s = self._limits.retry_min_s
        while True:
            client = self._new_client()
            try:
                async with asyncio.timeout(self._limits.connect_timeout_s):
                    await client.start()
                pause_s = self._limits.retry_min_s
                await self._serve(client)
            except (kafka_errors.KafkaError, OSError, TimeoutError):
                pause_s = min(pause_s * 2, self._limits.retry_max_s)
            finally:
                _CONNECTED.set(0)
                await discard(client, timeout_s=self._limits.discard_timeout_s)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _serve(self, client: AIOKafkaProducer) -> None:
        self._broken.clear()
        self._unknown.clear()
        self._client = client
        self._ready.set()
        _CONNECTED.set(1)
        log.info("kafka.producer_connected")
        await self._broken.wait()

    def _new_client(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            compression_type=self._limits.compression,
            max_batch_size=self._limits.batch_bytes_max,
            max_request_size=self._limits.request_bytes_max,
            request_timeout_ms=int(self._limits.send_timeout_s * 1000),
            retry_backoff_ms=200,
        )

    def _count(self, records: Sequence[Record], results: list[Result]) -> list[Result]:
        outcomes: dict[tuple[str, str], int] = {}
        for record, result in zip(records, results, strict=True):
            what = (record.topic, "acknowledged" if isinstance(result, Ack) else "failed")
            outcomes[what] = outcomes.get(what, 0) + 1
        for (topic, outcome), count in outcomes.items():
            _RECORDS.labels(topic, outcome).inc(count)
        return results
