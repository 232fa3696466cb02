"""The consumer loop on a real broker: sets, offsets beside effects, poison, parked keys, rebalances."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

from chassis import inbox
from chassis.kafka import Message, Producer, Record
from chassis.postgres import Connection, Pool
from chassis.retry import Permanent, Poison, Transient
from prometheus_client import REGISTRY

from tests.integration.chassis_data.conftest import Consume
from tests.integration.chassis_data.consuming import LIMITS, count, letters, record_effects, send, values_of
from tests.support.eventually import eventually


async def test_a_fetch_is_applied_as_a_set_with_its_offsets(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic, sizes = make_topic(partitions=3), []

    async def apply(conn: Connection, messages: list[Message]) -> None:
        sizes.append(len(messages))
        await record_effects(conn, messages)

    await send(producer, topic, *((f"k{n % 100}", str(n)) for n in range(5000)))
    async with consume(topic, apply):
        await eventually(lambda: count(effects), accept=lambda n: n >= 5000, timeout_s=30)
    assert await count(effects) == 5000
    assert max(sizes) > 100
    stored = await effects.fetchval("SELECT sum(next_offset) FROM consumer_offsets WHERE next_offset >= 0")
    assert stored == 5000


async def test_a_second_member_of_the_same_group_starts_where_the_rows_say(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()
    await send(producer, topic, ("k", "1"), ("k", "2"))
    async with consume(topic):
        await eventually(lambda: count(effects), accept=lambda n: n == 2, timeout_s=30)
    await send(producer, topic, ("k", "3"))
    async with consume(topic):
        await eventually(lambda: count(effects), accept=lambda n: n >= 3, timeout_s=30)
    assert await values_of(effects, "k") == ["1", "2", "3"]


async def test_poison_goes_to_the_dead_letters_and_its_neighbours_are_applied(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()

    async def apply(conn: Connection, messages: list[Message]) -> None:
        for message in messages:
            if message.value is None:
                raise Poison("null value")
            if message.value == b"forbidden":
                raise Permanent("not allowed")
        await record_effects(conn, messages)

    records = [Record(topic, b"k%d" % n, b"%d" % n) for n in range(200)]
    records[50] = Record(topic, b"k50", b"\xff\xfe", [("traceparent", b"00-abc"), ("x", b"\xff")])
    records[100] = Record(topic, b"k100", None)
    records[150] = Record(topic, b"k150", b"forbidden")
    await producer.send_many(records)
    async with consume(topic, apply):
        await eventually(lambda: count(effects), accept=lambda n: n >= 197, timeout_s=30)
    buried = await letters(effects)
    assert [(one["key"], one["value"], one["dlq-reason"]) for one in buried] == [
        (b"k50", b"\xff\xfe", b"poison"),
        (b"k100", None, b"poison"),
        (b"k150", b"forbidden", b"permanent"),
    ]
    assert buried[0]["topic"] == f"{topic}.dlq"
    assert (buried[0]["x"], buried[0]["traceparent"]) == (b"\xff", b"00-abc")
    assert (buried[0]["dlq-offset"], buried[0]["dlq-error-class"]) == (b"50", b"UnicodeDecodeError")
    assert await count(effects) == 197


async def test_a_key_whose_head_fails_for_a_while_keeps_its_order_and_delays_no_other(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic, tries, open_now = make_topic(), 0, False

    async def apply(conn: Connection, messages: list[Message]) -> None:
        nonlocal tries
        if any(m.key == b"A" and m.value == b"1" for m in messages) and not open_now:
            tries += 1
            raise Transient("the dependency is away")
        await record_effects(conn, messages)

    await send(producer, topic, ("A", "1"), ("B", "1"), ("A", "2"), ("B", "2"))
    async with consume(topic, apply):
        await eventually(lambda: values_of(effects, "B"), accept=lambda v: v == ["1", "2"], timeout_s=30)
        await send(producer, topic, ("A", "3"), ("B", "3"), ("A", "4"), ("A", "5"))
        await eventually(lambda: values_of(effects, "B"), accept=lambda v: v == ["1", "2", "3"])
        assert await values_of(effects, "A") == []
        await eventually(lambda: tries >= 6)
        open_now = True
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: len(v) >= 5)
    assert await values_of(effects, "A") == ["1", "2", "3", "4", "5"]
    assert await effects.fetchval("SELECT count(*) FROM parked_keys") == 0
    assert await effects.fetchval("SELECT count(*) FROM parked_messages") == 0
    assert await letters(effects) == []


async def test_a_parked_key_survives_a_restart_of_its_consumer(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()

    async def fail(_conn: Connection, _messages: list[Message]) -> None:
        raise Transient("away")

    await send(producer, topic, ("A", "1"))
    async with consume(topic, fail):
        await eventually(lambda: effects.fetchval("SELECT EXISTS (SELECT FROM parked_keys)"), timeout_s=30)
    await send(producer, topic, ("A", "2"))
    async with consume(topic):
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: v == ["1", "2"], timeout_s=30)


async def test_a_key_too_long_for_an_index_is_parked_all_the_same(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic, key = make_topic(), secrets.token_hex(5_000)

    async def fail(_conn: Connection, _messages: list[Message]) -> None:
        raise Transient("away")

    await send(producer, topic, (key, "1"))
    async with consume(topic, fail):
        await eventually(lambda: effects.fetchval("SELECT EXISTS (SELECT FROM parked_keys)"), timeout_s=30)
    async with consume(topic):
        await eventually(lambda: values_of(effects, key), accept=lambda v: v == ["1"], timeout_s=30)


async def test_after_the_last_attempt_the_head_is_buried_and_the_rest_go_on(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()

    async def apply(conn: Connection, messages: list[Message]) -> None:
        if any(m.value == b"1" for m in messages):
            raise Transient("for ever")
        await record_effects(conn, messages)

    await send(producer, topic, ("A", "1"), ("A", "2"), ("A", "3"))
    async with consume(topic, apply, limits=replace(LIMITS, park_attempts_max=3)):
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: v == ["2", "3"], timeout_s=30)
    [letter] = await letters(effects)
    assert (letter["value"], letter["dlq-reason"], letter["dlq-attempts"]) == (b"1", b"exhausted", b"3")


async def test_a_member_that_lost_its_partition_changes_nothing(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()
    async with consume(topic):
        await send(producer, topic, ("k", "1"))
        await eventually(lambda: count(effects), accept=lambda n: n == 1, timeout_s=30)
        # Another member moved on while this one slept: it applied offset 1 as well.
        async with effects.acquire() as conn, conn.transaction():
            await conn.execute("INSERT INTO effects (key, value) VALUES ('k', 'by the other')")
            await conn.execute("UPDATE consumer_offsets SET next_offset = 2")
        await send(producer, topic, ("k", "2"), ("k", "3"))
        await eventually(lambda: count(effects), accept=lambda n: n >= 3, timeout_s=30)
    assert await values_of(effects, "k") == ["1", "by the other", "3"]


async def test_members_that_come_and_go_apply_every_record_once(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic, total = make_topic(partitions=6), 6000

    async def feed() -> None:
        for start in range(0, total, 200):
            await send(producer, topic, *((f"k{n % 97}", str(n)) for n in range(start, start + 200)))
            await asyncio.sleep(0.05)

    limits = replace(LIMITS, fetch_records_max=100)
    feeding = asyncio.create_task(feed())
    async with consume(topic, limits=limits) as first:
        await eventually(lambda: len(first.assignment), accept=lambda n: n == 6, timeout_s=30)
        async with consume(topic, limits=limits) as second:
            await eventually(lambda: len(second.assignment), accept=lambda n: n == 3, timeout_s=30)
            await eventually(lambda: len(first.assignment), accept=lambda n: n == 3, timeout_s=30)
        await eventually(lambda: len(first.assignment), accept=lambda n: n == 6, timeout_s=30)
        await feeding
        await eventually(lambda: count(effects), accept=lambda n: n >= total, timeout_s=60)
    assert await count(effects) == total
    assert await effects.fetchval("SELECT count(DISTINCT (part, at)) FROM effects") == total
    out_of_order = """
        SELECT count(*)
        FROM (SELECT at, lag(at) OVER (PARTITION BY part ORDER BY id) AS before FROM effects) AS log
        WHERE before > at
    """
    assert await effects.fetchval(out_of_order) == 0


async def test_offsets_in_kafka_and_the_inbox_give_one_effect_an_event(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic(partitions=2)

    async def apply(conn: Connection, messages: list[Message]) -> None:
        new = await inbox.first_times(conn, "test", [m.event_id for m in messages])
        fresh = {m.event_id: m for m in messages if m.event_id in new}
        await record_effects(conn, list(fresh.values()))

    records = [Record(topic, b"k%d" % (n % 9), b"%d" % n, [("ce_id", b"e%d" % n)]) for n in range(300)]
    await producer.send_many(records)
    await producer.send_many(records)
    async with consume(topic, apply, offsets="kafka"):
        await eventually(lambda: count(effects), accept=lambda n: n >= 300, timeout_s=30)
    await send(producer, topic, ("k", "last"))
    async with consume(topic, apply, offsets="kafka"):
        await eventually(lambda: values_of(effects, "k"), accept=lambda v: v == ["last"], timeout_s=30)
    assert await count(effects) == 301
    assert await effects.fetchval("SELECT count(*) FROM consumer_offsets") == 0


async def test_lag_is_told_in_records_and_seconds(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic, gate = make_topic(), asyncio.Event()

    async def apply(conn: Connection, messages: list[Message]) -> None:
        if not gate.is_set() and messages[-1].offset >= 10:
            raise Transient("not yet")
        await record_effects(conn, messages)

    def lag(unit: str) -> float | None:
        labels = {"group": f"g.{topic}", "topic": topic, "partition": "0"}
        return REGISTRY.get_sample_value(f"kafka_consumer_lag_{unit}", labels)

    limits = replace(LIMITS, fetch_records_max=10, parked_keys_max=0)
    await send(producer, topic, *((f"k{n}", str(n)) for n in range(30)))
    async with consume(topic, apply, limits=limits):
        # Nothing may be parked here, so the partition itself waits: that is the back-pressure.
        await eventually(lambda: lag("records"), accept=lambda n: n == 20, timeout_s=30)
        await eventually(lambda: lag("seconds"), accept=lambda s: s is not None and s > 0.2)
        assert await count(effects) == 10
        gate.set()
        await eventually(lambda: lag("records"), accept=lambda n: n == 0, timeout_s=30)
        assert lag("seconds") == 0
    assert lag("records") is None
    assert await count(effects) == 30
