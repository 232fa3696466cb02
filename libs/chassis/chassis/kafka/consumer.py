"""The consumer loop: a whole fetch in one transaction, with offsets beside the effects."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka_errors
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from chassis import dlq, logs, metrics, parking
from chassis.kafka import offsets, quiet
from chassis.kafka.applying import Applier
from chassis.kafka.isolate import Apply
from chassis.kafka.lag import Lag
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.parked import ParkedKeys
from chassis.kafka.release import Releaser
from chassis.kafka.tracing import span_of
from chassis.parking import Place
from chassis.postgres import Pool
from chassis.records import Message
from chassis.retry import Stop, pause_s, sleep_or_stop
from chassis.settings import ChassisSettings

log = logs.get_logger(__name__)

_BATCH_SECONDS = metrics.histogram(
    "kafka_consumer_batch_seconds", "One batch, with its transaction.", ("group",)
)

# The group moved on without us: the batch will be delivered again, to whoever owns it.
_MEMBERSHIP_LOST = (
    kafka_errors.CommitFailedError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.RebalanceInProgressError,
)

Fetched = Mapping[TopicPartition, Sequence[Any]]


class ConsumerLoop(ConsumerRebalanceListener):  # type: ignore[misc]
    """`apply(conn, messages)` runs inside the batch's transaction and calls nothing over the network.

    `offsets="postgres"`: the group's position is a row that moves in the same transaction, so effects happen
    exactly once whatever crashes. `offsets="kafka"`: committed afterwards, so `apply` must ask the inbox.
    Dead letters leave through the outbox: a process on the same database runs a `Relay`.
    """

    def __init__(
        self,
        settings: ChassisSettings,
        *,
        group: str,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        apply: Apply,
        pool: Pool,
        redrive: bool = False,
        offsets: Literal["postgres", "kafka"] = "postgres",
        limits: ConsumerLimits | None = None,
        dlq_topic: str | None = None,
        instance_id: str | None = None,
    ) -> None:
        """Topics are named, or match the regular expression `pattern`.

        With `redrive` the group reads its own redrive topic too. With `instance_id` a quick restart keeps its
        partitions, and a leaver's idle until its session ends.
        """
        self._settings = settings
        self._group = group
        self._topics = [*topics, dlq.redrive_topic(group)] if redrive else list(topics)
        self._pattern = pattern
        self._pool = pool
        self._in_postgres = offsets == "postgres"
        self._limits = limits or ConsumerLimits()
        self._instance_id = instance_id
        self._parked = ParkedKeys(group)
        self._applier = Applier(pool, group, apply, self._limits, self._parked, dlq_topic)
        self._releaser = Releaser(pool, apply, self._limits, self._parked, dlq_topic)
        self._lag = Lag(group)
        self._busy = asyncio.Lock()
        # Next offset to apply of each partition owned; -1 takes whatever comes.
        self._positions: dict[TopicPartition, int] = {}
        self._unplaced: set[TopicPartition] = set()

    @property
    def assignment(self) -> frozenset[tuple[str, int]]:
        """Partitions whose position is known and which are being read."""
        return frozenset((partition.topic, partition.partition) for partition in self._positions)

    async def run(self, stop: Stop) -> None:
        """Until `stop`: then the batch in hand is finished and the group is left."""
        quiet.install()
        failures = 0
        while not stop.is_set():
            consumer = self._new_consumer()
            started = time.monotonic()
            try:
                async with asyncio.timeout(self._limits.connect_timeout_s):
                    await consumer.start()
                await self._consume(consumer, stop)
            except (kafka_errors.KafkaError, OSError, TimeoutError) as error:
                # A client that worked for a while earns a quick second try.
                failures = 1 if time.monotonic() - started > self._limits.connect_timeout_s else failures + 1
                if failures == 1:
                    log.warning("consumer.kafka_away", group=self._group, error=type(error).__name__)
                await sleep_or_stop(stop, self._pause_s(failures))
            finally:
                await self._leave(consumer)

    async def _consume(self, consumer: AIOKafkaConsumer, stop: Stop) -> None:
        failures = 0
        while not stop.is_set():
            self._lag.observe(consumer)
            try:
                await self._place(consumer)
                async with self._busy:
                    await self._releaser.release_due()
                fetched = await consumer.getmany(
                    timeout_ms=int(self._limits.poll_s * 1000), max_records=self._limits.fetch_records_max
                )
                if fetched:
                    await self._process(consumer, fetched)
                failures = 0
            except kafka_errors.KafkaError:
                raise
            except Exception as error:  # noqa: BLE001 - one of the two loops that must not die
                failures += 1
                reason = f"{type(error).__name__}: {error}"
                log.warning("consumer.batch_failed", group=self._group, failures=failures, error=reason)
                await sleep_or_stop(stop, self._pause_s(failures))

    async def _process(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> None:
        async with self._busy:
            batch = self._current(consumer, fetched)
            if not batch:
                return
            messages = [_message(record) for records in batch.values() for record in records]
            following = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            started = time.perf_counter()
            try:
                with span_of(self._group, messages, links_max=self._limits.spans_max):
                    await self._applier.run(messages, self._moves(following))
            except offsets.OwnershipLost:
                log.info("consumer.ownership_lost", group=self._group)
                self._rewind(consumer, batch)
                for partition in batch:
                    self._positions.pop(partition, None)
                    self._unplaced.add(partition)
                return
            except BaseException:
                self._rewind(consumer, batch)
                raise
            _BATCH_SECONDS.labels(self._group).observe(time.perf_counter() - started, metrics.exemplar())
            for partition, offset in following.items():
                self._positions[partition] = offset
                self._lag.reached(partition, offset, batch[partition][-1].timestamp)
            if not self._in_postgres:
                await self._commit(consumer, following)

    def _current(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> Fetched:
        """Without what was fetched before a rebalance and is another's, or elsewhere, by now."""
        current = {}
        for partition, records in fetched.items():
            expected = self._positions.get(partition)
            if expected is None:
                self._rewind(consumer, {partition: records})
            elif records[0].offset < expected:
                self._seek(consumer, partition, expected)
            else:
                current[partition] = records
                self._lag.reached(partition, records[0].offset, records[0].timestamp)
        return current

    def _moves(
        self, following: Mapping[TopicPartition, int]
    ) -> dict[tuple[str, int], tuple[int, int]] | None:
        if not self._in_postgres:
            return None
        return {
            (partition.topic, partition.partition): (self._positions[partition], offset)
            for partition, offset in following.items()
        }

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Read where newly assigned partitions stand, and which of their keys are parked."""
        new = [partition for partition in self._unplaced if partition in consumer.assignment()]
        if not new:
            return
        async with self._pool.acquire() as conn, conn.transaction():
            stored: Mapping[tuple[str, int], int] = {}
            if self._in_postgres:
                stored = await offsets.load(conn, self._group, [(p.topic, p.partition) for p in new])
            parked = [key for p in new for key in await parking.load(conn, self._place_of(p))]
        self._parked.forget([self._place_of(partition) for partition in new])
        for key in parked:
            self._parked.add(key.place, key.key, attempts=key.attempts, due_in_s=key.due_in_s)
        for partition in new:
            if partition not in self._unplaced:
                continue  # revoked while we asked
            self._unplaced.discard(partition)
            offset = stored.get((partition.topic, partition.partition), offsets.NOTHING_APPLIED)
            self._positions[partition] = offset
            if offset != offsets.NOTHING_APPLIED:
                self._seek(consumer, partition, offset)

    async def _commit(self, consumer: AIOKafkaConsumer, following: Mapping[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(self._limits.commit_timeout_s):
                await consumer.commit(dict(following))
        except _MEMBERSHIP_LOST as error:
            log.info("consumer.commit_refused", group=self._group, error=type(error).__name__)

    def _rewind(self, consumer: AIOKafkaConsumer, batch: Fetched) -> None:
        for partition, records in batch.items():
            self._seek(consumer, partition, records[0].offset)

    def _seek(self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        if partition in consumer.assignment():
            consumer.seek(partition, offset)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Placed by the loop: this runs in the client's own task, where a database error would go unseen."""
        self._unplaced.update(assigned)
        names = sorted(f"{partition.topic}/{partition.partition}" for partition in assigned)
        log.info("consumer.assigned", group=self._group, partitions=names)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait for the batch in hand; past the limit the compare-and-set of the offsets stands guard."""
        try:
            async with asyncio.timeout(self._limits.drain_timeout_s), self._busy:
                self._forget(revoked)
        except TimeoutError:
            log.warning("consumer.drain_timed_out", group=self._group)
            self._forget(revoked)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        gone = list(partitions)
        for partition in gone:
            self._unplaced.discard(partition)
            self._positions.pop(partition, None)
            self._lag.forget(partition)
        self._parked.forget([self._place_of(partition) for partition in gone])

    async def _leave(self, consumer: AIOKafkaConsumer) -> None:
        try:
            async with asyncio.timeout(self._limits.leave_timeout_s):
                await consumer.stop()
        except (kafka_errors.KafkaError, OSError, TimeoutError):
            await consumer._client.close()  # noqa: SLF001 - stop() waits for a broker that is away
        self._forget([*self._positions, *self._unplaced])

    def _place_of(self, partition: TopicPartition) -> Place:
        return Place(self._group, partition.topic, partition.partition)

    def _pause_s(self, failures: int) -> float:
        return pause_s(
            failures, first_s=self._limits.failure_pause_first_s, most_s=self._limits.failure_pause_max_s
        )

    def _new_consumer(self) -> AIOKafkaConsumer:
        limits = self._limits
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            client_id=self._settings.service_name,
            group_id=self._group,
            group_instance_id=self._instance_id,
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
        consumer.subscribe(self._topics, pattern=self._pattern, listener=self)
        return consumer


def _message(record: Any) -> Message:
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
        record.timestamp,
    )
