"""The consumer loop: a whole fetch in one transaction, with offsets beside the effects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from chassis import dlq, parking
from chassis.kafka.applying import Applier
from chassis.kafka.group import GroupLoop
from chassis.kafka.isolate import Apply
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.offsets import Moves
from chassis.kafka.parked import ParkedKeys
from chassis.kafka.release import Releaser
from chassis.kafka.tracing import span_of
from chassis.parking import Place
from chassis.postgres import Connection, Pool
from chassis.records import Message
from chassis.settings import ChassisSettings


class ConsumerLoop(GroupLoop):
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
        applied: Callable[[], None] | None = None,
    ) -> None:
        """Topics are named, or match the regular expression `pattern`.

        With `redrive` the group reads its own redrive topic too. With `instance_id` a quick restart keeps its
        partitions, and a leaver's idle until it is given up. `applied` is called after each commit, to wake
        the relay or whoever else in this process waits for what was written.
        """
        limits = limits or ConsumerLimits()
        detours = [dlq.redrive_topic(group)] if redrive else []
        grave = dlq.graves_of(topics[0], detours) if detours else dlq.grave_of
        super().__init__(
            settings,
            InSets(
                pool,
                group,
                apply,
                limits,
                grave if dlq_topic is None else lambda _message: dlq_topic,
                applied or (lambda: None),
            ),
            group=group,
            topics=[*topics, *detours],
            pattern=pattern,
            pool=pool,
            limits=limits,
            in_postgres=offsets == "postgres",
            instance_id=instance_id,
        )


class InSets:
    """A batch is one transaction; a key that fails for a while is parked, and tried again between batches."""

    def __init__(
        self,
        pool: Pool,
        group: str,
        apply: Apply,
        limits: ConsumerLimits,
        grave: dlq.Grave,
        applied: Callable[[], None],
    ) -> None:
        self._group = group
        self._applied = applied
        self._limits = limits
        self._parked = ParkedKeys(group)
        self._applier = Applier(pool, group, apply, limits, self._parked, grave)
        self._releaser = Releaser(pool, apply, limits, self._parked, grave)

    async def run(self, messages: list[Message], moves: Moves) -> None:
        with span_of(self._group, messages, links_max=self._limits.spans_max):
            await self._applier.run(messages, moves)
        self._applied()

    async def between(self) -> None:
        if await self._releaser.release_due():
            self._applied()

    async def finish(self) -> None:
        """Nothing is kept that is not committed."""

    def uncommitted(self) -> Mapping[tuple[str, int], int]:
        return {}

    async def load(self, conn: Connection, places: Sequence[Place]) -> None:
        parked = [key for place in places for key in await parking.load(conn, place)]
        self._parked.forget(places)
        for key in parked:
            self._parked.add(key.place, key.key, attempts=key.attempts, due_in_s=key.due_in_s)

    def forget(self, places: Sequence[Place]) -> None:
        self._parked.forget(places)
