"""A member of a consumer group: fetches, places, pauses, gives way; a strategy says what a batch comes to."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka_errors

from chassis import logs, metrics
from chassis.kafka import client, offsets, quiet
from chassis.kafka.delays import Delays
from chassis.kafka.lag import Lag
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.mirror import Mirror
from chassis.kafka.offsets import Moves
from chassis.parking import Place
from chassis.postgres import Connection, Pool
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


class Strategy(Protocol):
    """What becomes of a batch, and of what the strategy itself keeps for later."""

    async def run(self, messages: list[Message], moves: Moves) -> None:
        """Nothing of the batch has happened when this raises, or it may happen again without harm."""

    async def between(self) -> None:
        """Work of its own, before each fetch; a commit of several batches at once, or `offsets.Rewind`."""

    async def finish(self) -> None:
        """The last work before the group is left: bounded, and what fails is left to whoever comes next."""

    def uncommitted(self) -> Mapping[tuple[str, int], int]:
        """Offsets in the rows of partitions whose later batches still wait for the strategy's own commit."""

    async def load(self, conn: Connection, places: Sequence[Place]) -> None:
        """These partitions are ours from now on."""

    def forget(self, places: Sequence[Place]) -> None:
        """These are somebody else's."""


class GroupLoop(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member: subscribes, reads from where the rows say, and moves on by batches.

    `delays`: topic -> seconds that a record waits there. Its partition is paused until the head is due.
    """

    def __init__(
        self,
        settings: ChassisSettings,
        strategy: Strategy,
        *,
        group: str,
        topics: Sequence[str],
        pattern: str | None,
        pool: Pool,
        limits: ConsumerLimits,
        in_postgres: bool = True,
        instance_id: str | None = None,
        delays: Mapping[str, float] | None = None,
    ) -> None:
        self._settings = settings
        self._strategy = strategy
        self._group = group
        self._topics = list(topics)
        self._pattern = pattern
        self._pool = pool
        self._in_postgres = in_postgres
        self._limits = limits
        self._instance_id = instance_id
        self._lag = Lag(group, limits)
        self._delays = Delays(group, delays or {})
        self._mirror = Mirror(group, limits)
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
            consumer = client.new_consumer(
                self._settings,
                self._group,
                self._topics,
                self._pattern,
                limits=self._limits,
                listener=self,
                instance_id=self._instance_id,
            )
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
                await client.leave(consumer, timeout_s=self._limits.leave_timeout_s)
                self._forget([*self._positions, *self._unplaced])

    async def _consume(self, consumer: AIOKafkaConsumer, stop: Stop) -> None:
        failures = 0
        while not stop.is_set():
            try:
                await self._turn(consumer)
                failures = 0
            except kafka_errors.KafkaError:
                raise
            except offsets.Rewind as lost:
                self._start_anew(lost)
            except Exception as error:  # noqa: BLE001 - one of the two loops that must not die
                failures += 1
                reason = f"{type(error).__name__}: {error}"
                log.warning("consumer.batch_failed", group=self._group, failures=failures, error=reason)
                await sleep_or_stop(stop, self._pause_s(failures))
        async with self._busy:
            await self._strategy.finish()
        if self._in_postgres:
            await self._mirror.reflect(consumer, self._committed(), now=True)

    def _start_anew(self, lost: offsets.Rewind) -> None:
        """Every partition goes back to its row: a strategy may have kept several batches together."""
        log.info("consumer.rewound", group=self._group, error=f"{type(lost).__name__}: {lost}")
        self._unplaced.update(self._positions)
        self._positions.clear()

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        await self._place(consumer)
        async with self._busy:
            await self._strategy.between()
        self._delays.resume_due(consumer)
        await self._lag.observe(consumer, self._delays.paused)
        fetched = await consumer.getmany(
            timeout_ms=int(self._limits.poll_s * 1000), max_records=self._limits.fetch_records_max
        )
        if fetched:
            await self._process(consumer, fetched)
        if self._in_postgres:
            await self._mirror.reflect(consumer, self._committed())

    async def _process(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> None:
        async with self._busy:
            batch = self._current(consumer, fetched)
            if not batch:
                return
            messages = [client.message_of(record) for records in batch.values() for record in records]
            following = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            started = time.perf_counter()
            try:
                await self._strategy.run(messages, self._moves(following))
            except BaseException:
                self._rewind(consumer, batch)
                raise
            _BATCH_SECONDS.labels(self._group).observe(time.perf_counter() - started)
            for partition, offset in following.items():
                self._positions[partition] = offset
                self._lag.reached(partition, offset, batch[partition][-1].timestamp)
            if not self._in_postgres:
                await self._commit(consumer, following)

    def _current(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> Fetched:
        """Without what must wait, and what was fetched before a rebalance and is another's by now."""
        current: dict[TopicPartition, Sequence[Any]] = {}
        for partition, records in fetched.items():
            expected = self._positions.get(partition)
            if expected is None:
                self._rewind(consumer, {partition: records})
            elif records[0].offset < expected:
                self._seek(consumer, partition, expected)
            else:
                self._lag.reached(partition, records[0].offset, records[0].timestamp)
                due = self._delays.due(partition, records)
                if len(due) < len(records):
                    self._wait_for(consumer, partition, records[len(due)])
                if due:
                    current[partition] = due
        return current

    def _wait_for(self, consumer: AIOKafkaConsumer, partition: TopicPartition, head: Any) -> None:
        if partition in consumer.assignment():
            consumer.seek(partition, head.offset)
            self._delays.pause(consumer, partition, head)

    def _moves(self, following: Mapping[TopicPartition, int]) -> Moves:
        if not self._in_postgres:
            return None
        return {
            (partition.topic, partition.partition): (self._positions[partition], offset)
            for partition, offset in following.items()
        }

    def _committed(self) -> Mapping[TopicPartition, int]:
        waiting = self._strategy.uncommitted()
        return {p: waiting.get((p.topic, p.partition), offset) for p, offset in self._positions.items()}

    async def _place(self, consumer: AIOKafkaConsumer) -> None:
        """Read where newly assigned partitions stand, and what the strategy kept of them."""
        new = [partition for partition in self._unplaced if partition in consumer.assignment()]
        if not new:
            return
        async with self._pool.acquire() as conn, conn.transaction():
            stored: Mapping[tuple[str, int], int] = {}
            if self._in_postgres:
                stored = await offsets.load(conn, self._group, [(p.topic, p.partition) for p in new])
            await self._strategy.load(conn, [self._place_of(partition) for partition in new])
        at = {p: stored.get((p.topic, p.partition), offsets.NOTHING_APPLIED) for p in new}
        if self._in_postgres:
            await self._start_over(consumer, [p for p in new if at[p] == offsets.NOTHING_APPLIED])
        for partition in new:
            if partition not in self._unplaced:
                self._strategy.forget([self._place_of(partition)])  # revoked while we asked
                continue
            self._unplaced.discard(partition)
            self._positions[partition] = at[partition]
            if at[partition] != offsets.NOTHING_APPLIED:
                self._seek(consumer, partition, at[partition])

    async def _start_over(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Without a row nothing was applied: what Kafka remembers is a mirror, perhaps of another time."""
        owned = [partition for partition in partitions if partition in consumer.assignment()]
        if owned:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                await consumer.seek_to_beginning(*owned)

    async def _commit(self, consumer: AIOKafkaConsumer, following: Mapping[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(self._limits.commit_timeout_s):
                await consumer.commit(dict(following))
        except _MEMBERSHIP_LOST as error:
            log.info("consumer.commit_refused", group=self._group, error=type(error).__name__)

    def _rewind(self, consumer: AIOKafkaConsumer, batch: Fetched) -> None:
        for partition, records in batch.items():
            self._seek(consumer, partition, records[0].offset)
        self._delays.resume(consumer, batch)

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
        self._delays.forget(gone)
        self._mirror.forget(gone)
        self._strategy.forget([self._place_of(partition) for partition in gone])

    def _place_of(self, partition: TopicPartition) -> Place:
        return Place(self._group, partition.topic, partition.partition)

    def _pause_s(self, failures: int) -> float:
        return pause_s(
            failures, first_s=self._limits.failure_pause_first_s, most_s=self._limits.failure_pause_max_s
        )
