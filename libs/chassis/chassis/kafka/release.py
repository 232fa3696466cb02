"""Parked keys that are due get another try, in order, each in a transaction of its own."""

from chassis import dlq, logs, metrics, parking
from chassis.kafka.isolate import Apply, Verdict, isolate
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.parked import ParkedKeys
from chassis.parking import ParkedKey
from chassis.postgres import Connection, Pool
from chassis.records import Message
from chassis.retry import Kind, pause_s

log = logs.get_logger(__name__)

_RELEASED = metrics.counter(
    "kafka_consumer_released_records_total", "Parked records applied at last.", ("group",)
)


class Releaser:
    """Tries due keys again, in order, in transactions of their own."""

    def __init__(
        self,
        pool: Pool,
        apply: Apply,
        limits: ConsumerLimits,
        parked: ParkedKeys,
        grave: dlq.Grave,
    ) -> None:
        self._pool = pool
        self._apply = apply
        self._limits = limits
        self._parked = parked
        self._grave = grave

    async def release_due(self) -> bool:
        """Whether any key was tried."""
        due = self._parked.due(limit=self._limits.release_keys_max)
        for parked in due:
            await self._release(parked)
        return bool(due)

    async def _release(self, parked: ParkedKey) -> None:
        place, key = parked.place, parked.key
        async with self._pool.acquire() as conn, conn.transaction():
            if not await parking.lock(conn, place, key):
                self._parked.remove(place, key)
                return
            messages = await parking.head(conn, parked, limit=self._limits.release_records_max)
            verdict = await isolate(conn, messages, self._apply, attempts=parked.attempts + 1)
            self._give_up(parked, verdict, messages)
            waiting = {message.offset for message in verdict.queued}
            done = [message for message in messages if message.offset not in waiting]
            await parking.remove(conn, place.group, done)
            await dlq.bury(conn, place.group, verdict.dead, grave=self._grave)
            await dlq.resolve(conn, place.group, verdict.applied)
            if verdict.heads:
                again: tuple[int, float] | None = await self._postpone(
                    conn, parked, verdict, progress=bool(done)
                )
            else:
                freed = await parking.free(conn, place, key)
                # More wait than one transaction takes: go on at once.
                again = None if freed else (parked.attempts, 0.0)
        if again is None:
            self._parked.remove(place, key)
            log.info("consumer.key_released", group=place.group, topic=place.topic)
        else:
            self._parked.add(place, key, attempts=again[0], due_in_s=again[1])
        _RELEASED.labels(place.group).inc(len(verdict.applied))
        dlq.tell(place.group, verdict.dead)
        dlq.count_resolved(place.group, verdict.applied)

    def _give_up(self, parked: ParkedKey, verdict: Verdict, messages: list[Message]) -> None:
        """After the last attempt the head is a dead letter and the messages behind it get their turn."""
        if not verdict.heads or parked.attempts + 1 < self._limits.park_attempts_max:
            return
        message, error = verdict.heads[0]
        if message.offset == messages[0].offset:
            verdict.queued.remove(message)
            verdict.dead.append(dlq.DeadLetter(message, error, Kind.EXHAUSTED, parked.attempts + 1))

    async def _postpone(
        self, conn: Connection, parked: ParkedKey, verdict: Verdict, *, progress: bool
    ) -> tuple[int, float]:
        attempts = 1 if progress else parked.attempts + 1
        delay_s = pause_s(attempts, first_s=self._limits.park_first_s, most_s=self._limits.park_most_s)
        error = verdict.heads[0][1]
        await parking.park(
            conn,
            parked.place,
            parked.key,
            attempts=attempts,
            delay_s=delay_s,
            error=f"{type(error).__name__}: {error}"[: dlq.ERROR_CHARACTERS_MAX],
        )
        return attempts, delay_s
