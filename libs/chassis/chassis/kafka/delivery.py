"""The delivery loop: work that leaves the house, tried again through topics that each wait a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis import dlq, logs, metrics
from chassis.kafka import offsets, outcomes
from chassis.kafka.group import GroupLoop
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.offsets import Moves
from chassis.kafka.tracing import span_of
from chassis.outbox import add_records
from chassis.parking import Place, order_key
from chassis.postgres import Connection, Pool
from chassis.records import Message, Record, origin_headers
from chassis.retry import Kind, classify
from chassis.settings import ChassisSettings

log = logs.get_logger(__name__)

ATTEMPTS, ERROR = "retry-attempts", "retry-error"
ERROR_CHARACTERS_MAX = 200

_RETRIED = metrics.counter(
    "kafka_consumer_retried_total", "Messages put off for another try.", ("group", "tier")
)

Deliver = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tier:
    """Its topic is `<group>.retry.<name>`; a message waits there for `delay_s`."""

    name: str
    delay_s: float


TIERS = (Tier("5s", 5), Tier("30s", 30), Tier("5m", 300))


def tier_topic(group: str, tier: Tier) -> str:
    return f"{group}.retry.{tier.name}"


class DeliveryLoop(GroupLoop):
    """`deliver(message)` calls others over the network, outside any transaction, and must know repeats.

    Messages of one key in one fetch follow each other; between tiers the order of a key is given up, which
    is why this is for notices and the ConsumerLoop for state (ADR-0009). Offsets, messages put off, and dead
    letters move in one transaction. A message that passed the last tier is a dead letter, `exhausted`.
    """

    def __init__(
        self,
        settings: ChassisSettings,
        *,
        group: str,
        topics: Sequence[str],
        deliver: Deliver,
        pool: Pool,
        tiers: Sequence[Tier] = TIERS,
        concurrency_max: int = 16,
        redrive: bool = True,
        limits: ConsumerLimits | None = None,
        instance_id: str | None = None,
    ) -> None:
        """With `concurrency_max` messages a fetch, a slow one holds up that many others and no more."""
        limits = replace(limits or ConsumerLimits(), fetch_records_max=concurrency_max)
        delays = {tier_topic(group, tier): tier.delay_s for tier in tiers}
        detours = [*delays, dlq.redrive_topic(group)] if redrive else list(delays)
        courier = Courier(pool, group, deliver, limits, tiers, dlq.graves_of(topics[0], detours))
        super().__init__(
            settings,
            courier,
            group=group,
            topics=[*topics, *detours],
            pattern=None,
            pool=pool,
            limits=limits,
            instance_id=instance_id,
            delays=delays,
        )


@dataclass(slots=True)
class Round:
    """What a batch came to."""

    delivered: list[Message] = field(default_factory=list)
    put_off: list[tuple[Tier, Message, Exception]] = field(default_factory=list)
    dead: list[dlq.DeadLetter] = field(default_factory=list)


class Courier:
    """Delivers a batch, then writes down what became of it."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        deliver: Deliver,
        limits: ConsumerLimits,
        tiers: Sequence[Tier],
        grave: dlq.Grave,
    ) -> None:
        self._pool = pool
        self._group = group
        self._deliver = deliver
        self._limits = limits
        self._grave = grave
        self._tiers = list(tiers)
        # Where a message goes next, by the topic in which it failed; the first tier after any other topic.
        topics = [tier_topic(group, tier) for tier in tiers]
        self._next = dict(zip(topics, [*self._tiers[1:], None], strict=True)) if topics else {}

    async def run(self, messages: list[Message], moves: Moves) -> None:
        keys: dict[tuple[str, int, bytes], list[Message]] = {}
        for message in messages:
            keys.setdefault((message.topic, message.partition, order_key(message)), []).append(message)
        result = Round()
        async with asyncio.TaskGroup() as group:
            for of_key in keys.values():
                group.create_task(self._deliver_in_turn(of_key, result))
        async with self._pool.acquire() as conn, conn.transaction():
            await offsets.advance(conn, self._group, moves)
            await add_records(conn, [self._later(*one) for one in result.put_off])
            await dlq.bury(conn, self._group, result.dead, grave=self._grave)
            await dlq.resolve(conn, self._group, result.delivered)
        self._tell(result)

    async def between(self) -> None:
        """Nothing is kept: what waits is in Kafka."""

    async def finish(self) -> None:
        """Nothing is kept."""

    def uncommitted(self) -> Mapping[tuple[str, int], int]:
        return {}

    async def load(self, conn: Connection, places: Sequence[Place]) -> None:
        """Nothing is kept."""

    def forget(self, places: Sequence[Place]) -> None:
        """Nothing is kept."""

    async def _deliver_in_turn(self, messages: Sequence[Message], result: Round) -> None:
        for message in messages:
            error = await self._try(message)
            if error is None:
                result.delivered.append(message)
            elif (kind := classify(error)) is not Kind.TRANSIENT:
                result.dead.append(dlq.DeadLetter(message, error, kind, _attempts(message)))
            elif (tier := self._next_tier(message)) is not None:
                result.put_off.append((tier, message, error))
            else:
                result.dead.append(dlq.DeadLetter(message, error, Kind.EXHAUSTED, _attempts(message)))

    async def _try(self, message: Message) -> Exception | None:
        try:
            with span_of(self._group, [message], links_max=1):
                async with asyncio.timeout(self._limits.deliver_timeout_s):
                    await self._deliver(message)
        except Exception as error:  # noqa: BLE001 - a delivery may raise anything
            return error
        return None

    def _next_tier(self, message: Message) -> Tier | None:
        first = self._tiers[0] if self._tiers else None
        return self._next.get(message.topic, first)

    def _later(self, tier: Tier, message: Message, error: Exception) -> Record:
        text = f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX]
        kept = [(name, v) for name, v in origin_headers(message) if not name.startswith(dlq.RETRY_PREFIX)]
        told = [
            (ATTEMPTS, str(_attempts(message)).encode()),
            (ERROR, text.encode("utf-8", "replace")),
        ]
        return Record(tier_topic(self._group, tier), message.key, message.value, [*kept, *told])

    def _tell(self, result: Round) -> None:
        """After the commit."""
        for tier, _, error in result.put_off:
            _RETRIED.labels(self._group, tier.name).inc()
            log.info("delivery.put_off", group=self._group, tier=tier.name, error=str(error)[:200])
        outcomes.count(self._group, result.delivered, "applied")
        outcomes.count(self._group, [message for _, message, _ in result.put_off], "retried")
        outcomes.count(self._group, [letter.message for letter in result.dead], "dead")
        dlq.tell(self._group, result.dead)
        dlq.count_resolved(self._group, result.delivered)


def _attempts(message: Message) -> int:
    """Tries so far, the one at hand included."""
    before = message.header(ATTEMPTS)
    return int(before) + 1 if before and before.isdigit() else 1
