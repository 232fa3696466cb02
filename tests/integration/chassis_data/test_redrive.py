"""From a failure to the dead letters, back to the group that failed, and to its end: on a real broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from chassis import dlq
from chassis.dlq import redrive_record, redrive_topic
from chassis.kafka import Message, Producer, Record
from chassis.outbox import Relay, RelayLimits
from chassis.postgres import Connection, Pool
from chassis.records import Origin
from chassis.retry import Permanent, Transient

from tests.integration.chassis_data.conftest import Consume
from tests.integration.chassis_data.consuming import (
    LIMITS,
    declare,
    letters,
    record_effects,
    send,
    send_records,
    values_of,
)
from tests.support.eventually import eventually

TRACEPARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
HEADERS = [("ce_id", b"e1"), ("ce_type", b"test.thing-done.v1"), ("traceparent", TRACEPARENT)]


def redriven(letter: dict[str, Any]) -> Record:
    """As the index of dead letters does it: everything it needs stands in the letter."""
    told = {"topic", "key", "value"}
    origin = Origin(letter["dlq-topic"].decode(), int(letter["dlq-partition"]), int(letter["dlq-offset"]))
    return redrive_record(
        letter["dlq-group"].decode(),
        origin,
        key=letter["key"],
        value=letter["value"],
        headers=[(name, value) for name, value in letter.items() if name not in told],
        redrives=int(letter.get("dlq-redrives", 0)) + 1,
    )


async def test_a_redriven_message_reaches_the_group_that_failed_and_ends_as_resolved(
    effects: Pool,
    producer: Producer,
    make_topic: Callable[..., str],
    consume: Consume,
    kafka_bootstrap: str,
) -> None:
    topic, seen, broken = make_topic(partitions=2), [], True
    ours, others = f"ours.{topic}", f"others.{topic}"
    await declare(kafka_bootstrap, redrive_topic(ours), redrive_topic(others))

    async def apply(conn: Connection, messages: list[Message]) -> None:
        if broken and any(m.key == b"A" for m in messages):
            raise Permanent("a bug of ours")
        seen.extend(messages)
        await record_effects(conn, messages)

    async def apply_elsewhere(_conn: Connection, messages: list[Message]) -> None:
        elsewhere.extend(messages)

    elsewhere: list[Message] = []
    async with (
        consume(topic, apply, group=ours, redrive=True),
        consume(topic, apply_elsewhere, group=others, redrive=True),
    ):
        await send_records(producer, Record(topic, b"A", b"1", HEADERS), Record(topic, b"B", b"1"))
        [letter] = await eventually(lambda: letters(effects), timeout_s=30)
        await eventually(lambda: len(elsewhere), accept=lambda n: n == 2, timeout_s=30)

        await send_records(producer, redriven(letter))
        again = (await eventually(lambda: letters(effects), accept=lambda found: len(found) == 2))[1]
        place = ("dlq-topic", "dlq-partition", "dlq-offset", "dlq-group", "traceparent", "ce_id")
        assert {name: again[name] for name in place} == {name: letter[name] for name in place}
        assert (again["topic"], again["value"], again["dlq-redrives"]) == (f"{topic}.dlq", b"1", b"1")

        broken = False
        await send_records(producer, redriven(again))
        resolved = (await eventually(lambda: letters(effects), accept=lambda found: len(found) == 3))[2]
    assert await values_of(effects, "A") == ["1"]
    assert len(elsewhere) == 2
    [message] = [m for m in seen if m.key == b"A"]
    assert (message.header("traceparent"), message.redrives) == (TRACEPARENT, 2)
    assert resolved["topic"] == dlq.RESOLVED_TOPIC
    assert (resolved["ce_type"], resolved["traceparent"]) == (dlq.RESOLVED_TOPIC.encode(), TRACEPARENT)
    assert msgspec.json.decode(resolved["value"]) == {
        "group": ours,
        "topic": topic,
        "partition": int(letter["dlq-partition"]),
        "offset": int(letter["dlq-offset"]),
        "redrives": 2,
    }


async def test_a_redriven_message_that_has_to_wait_is_resolved_when_it_is_applied(
    effects: Pool,
    producer: Producer,
    make_topic: Callable[..., str],
    consume: Consume,
    kafka_bootstrap: str,
) -> None:
    topic, away = make_topic(), True
    await declare(kafka_bootstrap, redrive_topic(f"g.{topic}"))

    async def apply(conn: Connection, messages: list[Message]) -> None:
        if away and any(m.redrives for m in messages):
            raise Transient("the dependency is away")
        await record_effects(conn, messages)

    record = redrive_record(
        f"g.{topic}", Origin(topic, 0, 0), key=b"A", value=b"1", headers=HEADERS, redrives=1
    )
    async with consume(topic, apply, redrive=True):
        await send_records(producer, record)
        await eventually(lambda: effects.fetchval("SELECT count(*) FROM parked_keys"), timeout_s=30)
        # The key is parked where it came back; where it lives it goes on.
        await send(producer, topic, ("A", "2"))
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: v == ["2"])
        away = False
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: v == ["2", "1"])
    [resolved] = await letters(effects)
    assert resolved["topic"] == dlq.RESOLVED_TOPIC


async def test_a_key_that_fails_in_two_topics_at_once_is_parked_in_each(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    first, second, away = make_topic(), make_topic(), True

    async def apply(conn: Connection, messages: list[Message]) -> None:
        if away:
            raise Transient("everything is away")
        await record_effects(conn, messages)

    await send(producer, first, ("A", "1"), ("A", "2"))
    await send(producer, second, ("A", "3"))
    async with consume(first, apply, topics=[first, second]):
        parked = "SELECT count(*) FROM parked_messages"
        await eventually(lambda: effects.fetchval(parked), accept=lambda n: n == 3, timeout_s=30)
        away = False
        await eventually(lambda: values_of(effects, "A"), accept=lambda v: len(v) == 3)
    assert [v for v in await values_of(effects, "A") if v != "3"] == ["1", "2"]


async def test_a_stranger_on_the_redrive_topic_is_buried_at_home(
    effects: Pool,
    producer: Producer,
    make_topic: Callable[..., str],
    consume: Consume,
    kafka_bootstrap: str,
) -> None:
    topic = make_topic()
    await declare(kafka_bootstrap, redrive_topic(f"g.{topic}"))

    async def apply(_conn: Connection, _messages: list[Message]) -> None:
        raise Permanent("who are you")

    async with consume(topic, apply, redrive=True):
        await send(producer, redrive_topic(f"g.{topic}"), ("A", "1"))
        [letter] = await eventually(lambda: letters(effects), timeout_s=30)
    assert (letter["topic"], letter["dlq-topic"]) == (f"{topic}.dlq", redrive_topic(f"g.{topic}").encode())


@pytest.fixture
async def relayed(effects: Pool, producer: Producer) -> AsyncIterator[None]:
    stop = asyncio.Event()
    limits = RelayLimits(poll_s=0.01, renew_s=0.05, lease_s=1.0)
    task = asyncio.create_task(Relay(effects, producer, limits).run(stop))
    yield
    stop.set()
    await task


@pytest.mark.usefixtures("relayed")
async def test_dead_letters_of_topics_yet_unknown_are_read_by_pattern(
    effects: Pool,
    producer: Producer,
    make_topic: Callable[..., str],
    consume: Consume,
    kafka_bootstrap: str,
) -> None:
    topic = make_topic()

    async def refuse(_conn: Connection, _messages: list[Message]) -> None:
        raise Permanent("never")

    pattern = topic.replace(".", r"\.") + r"\..*\.dlq"
    limits = replace(LIMITS, metadata_age_max_s=0.5)
    async with contextlib.AsyncExitStack() as stack:
        index = consume(topic, group=f"index.{topic}", topics=(), pattern=pattern, limits=limits)
        loop = await stack.enter_async_context(index)
        for name in (f"{topic}.one", f"{topic}.two"):
            await declare(kafka_bootstrap, name, f"{name}.dlq")
            await stack.enter_async_context(consume(name, refuse))
            await send(producer, name, ("A", name))
        found = await eventually(
            lambda: values_of(effects, "A"), accept=lambda values: len(values) == 2, timeout_s=30
        )
        assert {name for name, _ in loop.assignment} == {f"{topic}.one.dlq", f"{topic}.two.dlq"}
    assert sorted(found) == [f"{topic}.one", f"{topic}.two"]
