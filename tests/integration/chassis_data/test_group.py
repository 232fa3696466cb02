"""A strategy that commits several batches at once: what it takes back is read again, from its rows on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from chassis.kafka import Message, Producer, offsets
from chassis.kafka.group import GroupLoop
from chassis.kafka.offsets import Moves
from chassis.parking import Place
from chassis.postgres import Connection, Pool
from chassis.settings import ChassisSettings

from tests.integration.chassis_data.conftest import running
from tests.integration.chassis_data.consuming import LIMITS, count, record_effects, send
from tests.integration.chassis_data.test_mirror import committed
from tests.support.eventually import eventually


class Together:
    """Keeps batches until `ready`; then takes them back once, and commits what it was given again."""

    def __init__(self, pool: Pool, group: str) -> None:
        self.ready = asyncio.Event()
        self.rewinds = 0
        self.kept: list[Message] = []
        self._pool = pool
        self._group = group
        self._moves: dict[tuple[str, int], tuple[int, int]] = {}

    async def run(self, messages: list[Message], moves: Moves) -> None:
        self.kept += messages
        for partition, (expected, following) in (moves or {}).items():
            first, _ = self._moves.get(partition, (expected, following))
            self._moves[partition] = (first, following)

    async def between(self) -> None:
        if not self.ready.is_set() or not self.kept:
            return
        if not self.rewinds:
            self.rewinds += 1
            self._drop()
            raise offsets.Rewind("taken back")
        await self.finish()

    async def finish(self) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            await offsets.advance(conn, self._group, self._moves)
            await record_effects(conn, self.kept)
        self._drop()

    def uncommitted(self) -> Mapping[tuple[str, int], int]:
        return {partition: expected for partition, (expected, _) in self._moves.items()}

    async def load(self, conn: Connection, places: Sequence[Place]) -> None:
        """Nothing is kept beside the rows."""

    def forget(self, places: Sequence[Place]) -> None:
        """No partition is given away here."""

    def _drop(self) -> None:
        self.kept, self._moves = [], {}


def loop_of(settings: ChassisSettings, strategy: Together, topic: str, pool: Pool) -> GroupLoop:
    return GroupLoop(
        settings, strategy, group=f"g.{topic}", topics=[topic], pattern=None, pool=pool, limits=LIMITS
    )


async def keeps(strategy: Together, messages: int) -> None:
    await eventually(lambda: len(strategy.kept) == messages, timeout_s=30)


async def test_batches_that_were_taken_back_are_read_again_and_take_effect_once(
    effects: Pool,
    producer: Producer,
    kafka_settings: ChassisSettings,
    make_topic: Callable[..., str],
    kafka_bootstrap: str,
) -> None:
    topic = make_topic(partitions=2)
    group = f"g.{topic}"
    strategy = Together(effects, group)
    async with running(loop_of(kafka_settings, strategy, topic, effects)):
        for first in (0, 20, 40):
            await send(producer, topic, *((f"k{n}", str(n)) for n in range(first, first + 20)))
            await keeps(strategy, first + 20)
        assert await committed(kafka_bootstrap, group) == {}  # nor do Kafka's tools hear of it yet
        strategy.ready.set()
        await eventually(lambda: count(effects), accept=lambda n: n >= 60, timeout_s=30)
    assert sum((await committed(kafka_bootstrap, group)).values()) == 60
    assert strategy.rewinds == 1
    rows = await effects.fetch("SELECT value FROM effects")
    assert sorted(int(row["value"]) for row in rows) == list(range(60))


async def test_what_is_kept_is_committed_when_the_group_is_left(
    effects: Pool, producer: Producer, kafka_settings: ChassisSettings, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    strategy = Together(effects, f"g.{topic}")
    async with running(loop_of(kafka_settings, strategy, topic, effects)):
        await send(producer, topic, ("k", "1"), ("k", "2"))
        await keeps(strategy, 2)
    assert await count(effects) == 2
