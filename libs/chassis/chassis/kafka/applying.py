"""One batch, one transaction: offsets, effects, parked keys and dead letters stand or fall together."""

import asyncio

from chassis import dlq, logs, parking
from chassis.kafka import offsets, outcomes
from chassis.kafka.isolate import Apply, isolate
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.offsets import Moves
from chassis.kafka.parked import ParkedKeys
from chassis.parking import Place, order_key
from chassis.postgres import Connection, DatabaseUnavailable, Pool
from chassis.records import Message
from chassis.retry import Kind, classify, pause_s

log = logs.get_logger(__name__)


class Overwhelmed(Exception):  # noqa: N818 the field's word
    """Too much fails at once for parking to help: the partitions wait instead."""


class Applier:
    """Moves one consumer group on by batches."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        apply: Apply,
        limits: ConsumerLimits,
        parked: ParkedKeys,
        grave: dlq.Grave,
    ) -> None:
        self._pool = pool
        self._group = group
        self._apply = apply
        self._limits = limits
        self._parked = parked
        self._grave = grave

    async def run(self, messages: list[Message], moves: Moves) -> None:
        """All of the batch is applied, parked or buried when this returns; nothing of it when this raises."""
        for attempt in range(1, self._limits.in_place_attempts_max + 1):
            try:
                return await self._whole(messages, moves)
            except (offsets.OwnershipLost, DatabaseUnavailable):
                raise
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                if classify(error) is not Kind.TRANSIENT:
                    break
                log.info(
                    "consumer.batch_retried", group=self._group, attempt=attempt, error=type(error).__name__
                )
            await asyncio.sleep(
                pause_s(attempt, first_s=self._limits.in_place_first_s, most_s=self._limits.in_place_most_s)
            )
        try:
            async with asyncio.timeout(self._limits.isolate_timeout_s):
                await self._isolated(messages, moves, attempts=attempt + 1)
        except TimeoutError as error:
            raise Overwhelmed(f"{self._group}: no verdict in {self._limits.isolate_timeout_s} s") from error

    async def _whole(self, messages: list[Message], moves: Moves) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            fresh, behind = await self._begin(conn, messages, moves)
            if fresh:
                await self._apply(conn, fresh)
                await dlq.resolve(conn, self._group, fresh)
        dlq.count_resolved(self._group, fresh)
        outcomes.count(self._group, fresh, "applied")
        outcomes.count(self._group, behind, "parked")

    async def _isolated(self, messages: list[Message], moves: Moves, *, attempts: int) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            fresh, behind = await self._begin(conn, messages, moves)
            verdict = await isolate(conn, fresh, self._apply, attempts=attempts)
            if len(self._parked) + len(verdict.heads) > self._limits.parked_keys_max:
                raise Overwhelmed(f"{self._group}: {len(verdict.heads)} more keys to park")
            await parking.queue(conn, self._group, verdict.queued)
            for message, error in verdict.heads:
                await self._park(conn, message, error)
            await dlq.bury(conn, self._group, verdict.dead, grave=self._grave)
            await dlq.resolve(conn, self._group, verdict.applied)
        for message, error in verdict.heads:
            self._parked.add(
                self._place(message), order_key(message), attempts=1, due_in_s=self._limits.park_first_s
            )
            log.warning("consumer.key_parked", group=self._group, topic=message.topic, error=str(error)[:200])
        dlq.tell(self._group, verdict.dead)
        dlq.count_resolved(self._group, verdict.applied)
        outcomes.count(self._group, verdict.applied, "applied")
        outcomes.count(self._group, [*behind, *verdict.queued], "parked")
        outcomes.count(self._group, [letter.message for letter in verdict.dead], "dead")

    async def _begin(
        self, conn: Connection, messages: list[Message], moves: Moves
    ) -> tuple[list[Message], list[Message]]:
        """Move the offsets and queue what waits behind parked keys; the answer is (fresh, behind)."""
        await offsets.advance(conn, self._group, moves)
        if not self._parked:
            return messages, []
        fresh: list[Message] = []
        behind: list[Message] = []
        for message in messages:
            waits = (self._place(message), order_key(message)) in self._parked
            (behind if waits else fresh).append(message)
        if behind:
            await parking.queue(conn, self._group, behind)
        return fresh, behind

    async def _park(self, conn: Connection, message: Message, error: Exception) -> None:
        await parking.park(
            conn,
            self._place(message),
            order_key(message),
            attempts=1,
            delay_s=self._limits.park_first_s,
            error=f"{type(error).__name__}: {error}"[: dlq.ERROR_CHARACTERS_MAX],
        )

    def _place(self, message: Message) -> Place:
        return Place(self._group, message.topic, message.partition)
