"""Events by type on a real broker: read or buried, applied once, made to fail on purpose."""

import re
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from chassis import dlq
from chassis.kafka import Faults, Handlers, Incoming, Message, Producer, Record, faults
from chassis.kafka.events import VALUE_BYTES_MAX
from chassis.kafka.faults import Fault, InjectedPermanent, InjectedTransient
from chassis.outbox import Relay, RelayLimits
from chassis.postgres import Connection, Pool
from chassis.ratelimit import connect
from chassis.records import REDRIVES, Headers, cloudevent_headers
from chassis.settings import ChassisSettings
from redis.asyncio import Redis

from infra.kafka import topics
from tests.integration.chassis_data.conftest import Consume, running
from tests.integration.chassis_data.consuming import count, letters, send_records, values_of
from tests.support.eventually import eventually

DONE, SKIPPED = "test.thing-done.v1", "test.thing-skipped.v1"
MIB = 1024 * 1024


class Thing(msgspec.Struct):
    number: int


async def record_numbers(conn: Connection, incoming: list[Incoming]) -> None:
    await conn.executemany(
        "INSERT INTO effects (key, value) VALUES ($1, $2)",
        [((one.message.key or b"").decode(), str(one.event.number)) for one in incoming],
    )


def handlers(faults: Faults | None = None) -> Handlers:
    return Handlers(consumer="test", types={DONE: Thing}, ignore={SKIPPED}, faults=faults)


def headers(event_id: str, event_type: str = DONE) -> Headers:
    return cloudevent_headers(event_id=event_id, source="/test", event_type=event_type)


def thing(topic: str, key: str, number: int) -> Record:
    event_id = f"{key}-{number}"
    return Record(topic, key.encode(), msgspec.json.encode(Thing(number)), headers(event_id))


def unreadable(topic: str) -> list[tuple[Record, str]]:
    """Records that nobody can apply, and what is said of them."""
    good = b'{"number":1}'
    large = b'{"number":1,"pad":"' + b"x" * (MIB - 64) + b'"}'
    return [
        (Record(topic, b"bytes", b"\xff\xfe\x00", headers("p1")), "malformed"),
        (Record(topic, b"shape", b'{"number":"one"}', headers("p2")), "Expected `int`"),
        (Record(topic, b"null", None, headers("p3")), "without a value"),
        (Record(topic, b"large", large, headers("p4")), f"bytes, above {VALUE_BYTES_MAX}"),
        (Record(topic, b"type", good, headers("p5", "test.thing-made.v1")), "test.thing-made.v1"),
        (Record(topic, b"version", good, headers("p6", "test.thing-done.v2")), "test.thing-done.v2"),
        (Record(topic, b"no event", good), "no CloudEvent"),
        (Record(topic, None, b"", headers("p7")), "truncated"),
    ]


async def test_what_cannot_be_read_is_buried_and_its_partition_mates_are_applied(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume, kafka_bootstrap: str
) -> None:
    topic = make_topic(config={"max.message.bytes": "1114112"})
    dlq_topic = topics.Topic(dlq.topic_of(topic), 1, {"max.message.bytes": "1572864"})
    await topics.apply(kafka_bootstrap, [dlq_topic])
    bad = unreadable(topic)
    mixed = [r for n, (record, _) in enumerate(bad) for r in (record, thing(topic, "good", n))]
    skipped = Record(topic, b"s", b"not even read", headers("s1", SKIPPED))
    await send_records(producer, *mixed, skipped)
    async with consume(topic, handlers().apply(record_numbers)):
        buried = await eventually(
            lambda: letters(effects), accept=lambda found: len(found) >= len(bad), timeout_s=30
        )
        in_order = [str(n) for n in range(len(bad))]
        await eventually(lambda: values_of(effects, "good"), accept=lambda v: v == in_order)
    for letter, (record, error) in zip(buried, bad, strict=True):
        assert (letter["key"], letter["value"]) == (record.key, record.value)
        assert (letter["topic"], letter["dlq-reason"]) == (f"{topic}.dlq", b"poison")
        assert re.search(error, letter["dlq-error"].decode())
    # With all its headers a letter of 1 MiB still passes the broker.
    relay = Relay(effects, producer, RelayLimits(poll_s=0.01, renew_s=0.05))
    async with running(relay):
        await eventually(lambda: letters(effects), accept=lambda left: left == [], timeout_s=30)
    assert await effects.fetchval("SELECT count(*) FROM outbox_refused") == 0


async def test_a_replay_from_the_first_offset_changes_nothing(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic(partitions=3)
    await send_records(producer, *(thing(topic, f"k{n % 10}", n) for n in range(300)))
    apply = handlers().apply(record_numbers)
    async with consume(topic, apply):
        await eventually(lambda: count(effects), accept=lambda n: n == 300, timeout_s=30)
    await effects.execute("DELETE FROM consumer_offsets")
    stored = "SELECT coalesce(sum(next_offset), 0) FROM consumer_offsets WHERE next_offset > 0"
    async with consume(topic, apply):
        await eventually(lambda: effects.fetchval(stored), accept=lambda n: n == 300, timeout_s=30)
    assert await count(effects) == 300
    assert await letters(effects) == []


@pytest.fixture
async def redis(kafka_settings: ChassisSettings, redis_url: str) -> AsyncIterator[Redis]:
    client = connect(kafka_settings.model_copy(update={"redis_url": redis_url, "redis_timeout_s": 1.0}))
    yield client
    await client.aclose()


def message(key: bytes = b"A", event_type: str = DONE, event_id: bytes = b"e") -> Message:
    return Message("t", 0, 0, key, b"", (("ce_type", event_type.encode()), ("ce_id", event_id)))


async def test_the_head_of_a_key_fails_and_what_follows_is_applied_behind_it_in_order(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume, redis: Redis
) -> None:
    topic, injected = make_topic(), Faults(redis, "test", enabled=True)
    await faults.put(redis, Fault(group="test", error="transient", key="A"))
    await send_records(producer, thing(topic, "A", 1), thing(topic, "B", 1))
    async with consume(topic, handlers(injected).apply(record_numbers)):
        await eventually(lambda: values_of(effects, "B"), accept=lambda v: v == ["1"], timeout_s=30)
        for number in (2, 3, 4, 5):
            await send_records(producer, thing(topic, "A", number), thing(topic, "B", number))
        all_of_b = ["1", "2", "3", "4", "5"]
        await eventually(lambda: values_of(effects, "B"), accept=lambda v: v == all_of_b)
        attempts = "SELECT attempts >= 3 FROM parked_keys"
        await eventually(lambda: effects.fetchval(attempts))
        assert await values_of(effects, "A") == []
        assert await faults.clear(redis, group="test") == 1
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: len(v) == 5)
    assert await values_of(effects, "A") == ["1", "2", "3", "4", "5"]
    assert await letters(effects) == []


async def test_a_permanent_fault_with_a_count_buries_as_many_messages(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume, redis: Redis
) -> None:
    topic, injected = make_topic(), Faults(redis, "test", enabled=True)
    await faults.put(redis, Fault(group="test", error="permanent", event_type=DONE, count=3))
    await send_records(producer, *(thing(topic, f"k{n}", n) for n in range(40)))
    async with consume(topic, handlers(injected).apply(record_numbers)):
        await eventually(lambda: count(effects), accept=lambda n: n >= 37, timeout_s=30)
        assert len(await letters(effects)) == 3
    assert await count(effects) == 37


async def test_a_transient_fault_counts_attempts(redis: Redis) -> None:
    injected = Faults(redis, "g", enabled=True)
    await faults.put(redis, Fault(group="g", error="transient", count=2))
    for _ in range(2):
        with pytest.raises(InjectedTransient):
            await injected.check([message()])
    await injected.check([message()])


async def test_a_permanent_fault_counts_messages_and_a_redriven_one_is_another(redis: Redis) -> None:
    injected = Faults(redis, "g", enabled=True)
    await faults.put(redis, Fault(group="g", error="permanent", count=1))
    for _ in range(3):
        with pytest.raises(InjectedPermanent):
            await injected.check([message(event_id=b"first")])
    await injected.check([message(event_id=b"second")])
    again = message(event_id=b"first")
    await injected.check([msgspec.structs.replace(again, headers=(*again.headers, (REDRIVES, b"1")))])


async def test_a_fault_meets_its_group_type_and_key_alone(redis: Redis) -> None:
    mine, other = Faults(redis, "g", enabled=True), Faults(redis, "other", enabled=True)
    await faults.put(redis, Fault(group="g", error="permanent", event_type=DONE, key="A"))
    await other.check([message()])
    await mine.check([message(key=b"B"), message(event_type=SKIPPED)])
    with pytest.raises(InjectedPermanent):
        await mine.check([message(key=b"B"), message()])


async def test_there_are_no_faults_unless_they_are_enabled_and_redis_is_there(
    redis: Redis, kafka_settings: ChassisSettings
) -> None:
    await faults.put(redis, Fault(group="g", error="permanent"))
    await Faults(redis, "g", enabled=False).check([message()])
    await Faults(None, "g", enabled=True).check([message()])
    nowhere = connect(kafka_settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    await Faults(nowhere, "g", enabled=True).check([message()])
    await nowhere.aclose()


async def test_faults_are_listed_in_order_and_cleared_by_group(redis: Redis) -> None:
    put = [Fault(id=str(n), group=group, error="transient", count=1) for n, group in enumerate("aba")]
    for fault in put:
        await faults.put(redis, fault)
    assert await faults.read(redis) == put
    assert await faults.clear(redis, group="a") == 2
    assert await faults.read(redis) == [put[1]]
    assert await faults.clear(redis) == 1
    assert await redis.keys() == []
