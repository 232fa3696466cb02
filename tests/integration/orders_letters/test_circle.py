"""On a real broker: a consumer that fails, the index, a redrive, and the fix after which all complete."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from chassis import dlq, inbox, postgres
from chassis.kafka import ConsumerLimits, ConsumerLoop, Message, Producer, Record, cloudevent_headers
from chassis.outbox import Relay
from chassis.postgres import Connection, Pool
from chassis.retry import Permanent, Stop
from orders.letters import letters_consumer
from orders.settings import OrdersSettings
from orders.usecases import dead_letters, redrive_runs

from infra.kafka import topics
from tests.integration.orders_letters.conftest import letter_settings
from tests.support.databases import run_apart
from tests.support.eventually import eventually
from tests.support.letters import TRACE_ID, Desk, order_of, working

LIMITS = ConsumerLimits(poll_s=0.05, in_place_first_s=0.01, in_place_most_s=0.02)


class Runs(Protocol):
    async def run(self, stop: Stop) -> None: ...


@dataclass
class Shop:
    """A consumer group of its own that refuses what is broken, until it is fixed."""

    desk: Desk
    pool: Pool
    producer: Producer
    topic: str
    group: str
    broken: set[bytes] = field(default_factory=set)
    applied: list[tuple[bytes, int]] = field(default_factory=list)
    traces: set[str] = field(default_factory=set)

    async def send(self, *keys: str) -> None:
        records = [
            Record(self.topic, key.encode(), b'{"n": %d}' % number, self._headers(number))
            for number, key in enumerate(keys)
        ]
        assert all(hasattr(ack, "offset") for ack in await self.producer.send_many(records))

    def _headers(self, number: int) -> list[tuple[str, bytes]]:
        return cloudevent_headers(
            event_id=f"{self.topic}-{number}",
            source="/test",
            event_type="t.happened.v1",
            traceparent=f"00-{TRACE_ID}-00f067aa0ba902b7-01",
        )

    async def apply(self, conn: Connection, messages: Sequence[Message]) -> None:
        new = await inbox.first_times(conn, self.group, [message.event_id for message in messages])
        for message in messages:
            if message.key in self.broken:
                raise Permanent("broken")
        fresh = [message for message in messages if message.event_id in new]
        self.applied += [(message.key or b"", message.origin.offset) for message in fresh]
        self.traces |= {(message.traceparent or "")[3:35] for message in fresh}

    async def states(self, **named: Any) -> dict[int, str]:
        found = await self.desk.letters(group=self.group, **named)
        return {letter.origin.offset: letter.state.value for letter in found}

    async def eventually(self, *states: str) -> None:
        """Until the letters, in order, have these states."""
        await eventually(self.states, timeout_s=30, accept=lambda found: list(found.values()) == list(states))

    async def redrive(self, **named: Any) -> tuple[int, int]:
        run = await redrive_runs.begin(self.desk, order_of(**named))
        over = await redrive_runs.work_to_the_end(self.desk, run)
        return over.matched, over.done


@pytest.fixture
async def shop(orders_dsn: str, kafka_bootstrap: str, make_topic: Callable[..., str]) -> AsyncIterator[Shop]:
    topic = make_topic(partitions=3, prefix="t")
    group = f"g.{topic}"
    names = (dlq.topic_of(topic), dlq.redrive_topic(group), dlq.RESOLVED_TOPIC)
    run_apart(topics.apply(kafka_bootstrap, [topics.Topic(name, 1, {}) for name in names]))
    settings = letter_settings(
        orders_dsn, "redis://127.0.0.1:9", kafka_bootstrap=kafka_bootstrap, redrive_groups=group
    )
    async with postgres.pool_of(settings) as pool:
        producer = Producer(settings)
        await producer.start()
        made = Shop(Desk(settings, pool), pool, producer, topic, group)
        try:
            parts = (
                _consumer(settings, made),
                _index(settings, made, f"index.{topic}"),
                Relay(pool, producer),
            )
            async with _running(*parts), working(made.desk):
                yield made
        finally:
            await producer.stop()


def _consumer(settings: OrdersSettings, shop: Shop) -> ConsumerLoop:
    return ConsumerLoop(
        settings,
        group=shop.group,
        topics=[shop.topic],
        apply=shop.apply,
        pool=shop.pool,
        redrive=True,
        limits=LIMITS,
    )


def _index(settings: OrdersSettings, shop: Shop, group: str) -> ConsumerLoop:
    names = (dlq.topic_of(shop.topic), dlq.RESOLVED_TOPIC)
    return letters_consumer(settings, shop.pool, group=group, topics=f"^({'|'.join(map(re.escape, names))})$")


@asynccontextmanager
async def _running(*parts: Runs) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stop)) for part in parts]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks)


async def test_after_the_fix_all_complete_and_nothing_twice(shop: Shop) -> None:
    shop.broken = {b"A", b"B"}
    await shop.send("A", "B", "C", "A", "C")
    await shop.eventually("dead", "dead", "dead")
    assert await shop.redrive(key="A") == (2, 2)
    await eventually(
        lambda: shop.desk.letters(key="A"),
        timeout_s=30,
        accept=lambda found: [(letter.state, letter.redrives) for letter in found] == [("dead", 1)] * 2,
    )
    shop.broken = set()
    assert await shop.redrive() == (3, 3)
    await shop.eventually("resolved", "resolved", "resolved")
    assert sorted(key for key, _ in shop.applied) == [b"A", b"A", b"B", b"C", b"C"]
    in_order = [offset for key, offset in shop.applied if key == b"A"]
    assert in_order == sorted(in_order)
    assert shop.traces == {TRACE_ID}
    assert await shop.redrive() == (0, 0)


async def test_the_history_of_a_letter_tells_of_each_try(shop: Shop) -> None:
    shop.broken = {b"A"}
    await shop.send("A")
    await shop.eventually("dead")
    (letter,) = await shop.desk.letters()
    await shop.redrive()
    await eventually(
        lambda: shop.desk.history(letter.id), timeout_s=30, accept=lambda found: found[-1] == ("died", 1)
    )
    shop.broken = set()
    await shop.redrive()
    await shop.eventually("resolved")
    assert await shop.desk.history(letter.id) == [
        ("died", 0),
        ("redriven", 1),
        ("died", 1),
        ("redriven", 2),
        ("resolved", 2),
    ]
    whole = await dead_letters.show(shop.desk, letter.id)
    assert [action.actor for action in whole.actions][-1] == shop.group
    assert whole.letter.trace_id == TRACE_ID


async def test_reading_every_topic_anew_changes_nothing(shop: Shop) -> None:
    shop.broken = {b"A", b"B"}
    await shop.send("A", "B", "C")
    await shop.eventually("dead", "dead")
    shop.broken = {b"B"}
    await shop.redrive(key="A")
    await eventually(
        lambda: shop.states(key="A"), timeout_s=30, accept=lambda found: list(found.values()) == ["resolved"]
    )
    before = await shop.desk.everything()
    again = f"again.{shop.topic}"
    async with _running(_index(shop.desk.settings, shop, again)):
        await eventually(
            lambda: shop.desk.rows(
                """
                SELECT FROM consumer_offsets
                WHERE consumer_group = $1 AND topic LIKE '%.dlq' AND next_offset = 2
                """,
                again,
            ),
            timeout_s=30,
        )
    assert await shop.desk.everything() == before
