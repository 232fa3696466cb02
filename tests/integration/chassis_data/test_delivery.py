"""The delivery loop on a real broker: tiers in order, paused partitions, dead letters, redrive."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from chassis.dlq import RESOLVED_TOPIC, redrive_record, redrive_topic
from chassis.kafka import BrokerAway, DeliveryLoop, Message, Producer, Record, Tier
from chassis.outbox import Relay, RelayLimits
from chassis.postgres import Pool
from chassis.records import Origin
from chassis.retry import Permanent, Transient
from chassis.settings import ChassisSettings
from prometheus_client import REGISTRY

from tests.integration.chassis_data.conftest import running
from tests.integration.chassis_data.consuming import LIMITS, declare, letters, send, send_records
from tests.support.eventually import eventually

TIERS = (Tier("a", 0.3), Tier("b", 0.6))
NEVER = (Tier("never", 3600),)
TRACEPARENT = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
Fetch = Callable[..., AbstractAsyncContextManager[DeliveryLoop]]


class Receiver:
    """Somebody else's system: what reached it, when, and what it refuses."""

    def __init__(self) -> None:
        self.tries: defaultdict[bytes | None, list[tuple[float, Message]]] = defaultdict(list)
        self.errors: dict[bytes | None, Exception] = {}
        self.took: list[bytes | None] = []

    async def deliver(self, message: Message) -> None:
        self.tries[message.value].append((time.time(), message))
        error = self.errors.get(message.value)
        if error is not None:
            raise error
        self.took.append(message.value)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def deliver(
    kafka_settings: ChassisSettings, kafka_bootstrap: str, pool: Pool, producer: Producer, receiver: Receiver
) -> Fetch:
    @asynccontextmanager
    async def run(topic: str, tiers: Sequence[Tier] = TIERS, **options: Any) -> AsyncIterator[DeliveryLoop]:
        group = f"g.{topic}"
        await declare(
            kafka_bootstrap, redrive_topic(group), *(f"{group}.retry.{tier.name}" for tier in tiers)
        )
        options = {"deliver": receiver.deliver, "limits": LIMITS, **options}
        loop = DeliveryLoop(kafka_settings, group=group, topics=[topic], pool=pool, tiers=tiers, **options)
        relay = Relay(pool, OnlyRetries(producer), RelayLimits(poll_s=0.01, renew_s=0.05, lease_s=1.0))
        stop = asyncio.Event()
        relaying = asyncio.create_task(relay.run(stop))
        async with running(loop):
            yield loop
        stop.set()
        await relaying

    return run


class OnlyRetries:
    """Dead letters and resolved records stay in the outbox, where a test can look at them."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def send_many(self, records: Sequence[Record]) -> list[Any]:
        retries = [record for record in records if ".retry." in record.topic]
        acks = iter(await self._producer.send_many(retries))
        return [next(acks) if record in retries else BrokerAway("kept") for record in records]


async def kept(pool: Pool) -> list[dict[str, Any]]:
    return [letter for letter in await letters(pool) if ".retry." not in letter["topic"]]


async def test_a_failing_message_walks_the_tiers_in_order_and_its_neighbours_do_not_wait(
    make_topic: Callable[..., str], pool: Pool, producer: Producer, receiver: Receiver, deliver: Fetch
) -> None:
    topic = make_topic()
    receiver.errors[b"1"] = Transient("451 try later")
    headers = [("ce_id", b"e1"), ("traceparent", TRACEPARENT)]
    async with deliver(topic):
        await send_records(producer, Record(topic, b"A", b"1", headers), Record(topic, b"B", b"2"))
        await eventually(lambda: receiver.took, accept=lambda took: took == [b"2"], timeout_s=30)
        [letter] = await eventually(lambda: kept(pool), timeout_s=30)
    group = f"g.{topic}"
    (_, first), (second_at, second), (third_at, third) = receiver.tries[b"1"]
    assert [m.topic for m in (first, second, third)] == [topic, f"{group}.retry.a", f"{group}.retry.b"]
    # A message waits its whole delay in each tier; how much longer is the machine's affair.
    assert second_at >= second.timestamp_ms / 1000 + 0.3
    assert third_at >= third.timestamp_ms / 1000 + 0.6
    assert [m.header("retry-attempts") for m in (first, second, third)] == [None, b"1", b"2"]
    assert third.header("retry-error") == b"Transient: 451 try later"
    assert {m.origin for m in (first, second, third)} == {Origin(topic, 0, 0)}
    assert {m.header("traceparent") for m in (first, second, third)} == {TRACEPARENT}
    assert (letter["topic"], letter["dlq-reason"], letter["dlq-attempts"]) == (
        f"{topic}.dlq",
        b"exhausted",
        b"3",
    )
    assert (letter["dlq-topic"], letter["dlq-offset"], letter["value"]) == (topic.encode(), b"0", b"1")


async def test_what_fails_for_good_is_a_dead_letter_at_once(
    make_topic: Callable[..., str], pool: Pool, producer: Producer, receiver: Receiver, deliver: Fetch
) -> None:
    topic = make_topic()
    receiver.errors[b"1"] = Permanent("550 no such mailbox")
    async with deliver(topic):
        await send(producer, topic, ("A", "1"), ("A", "2"))
        [letter] = await eventually(lambda: kept(pool), timeout_s=30)
        await eventually(lambda: receiver.took, accept=lambda took: took == [b"2"])
    assert (letter["dlq-reason"], letter["dlq-attempts"], len(receiver.tries[b"1"])) == (
        b"permanent",
        b"1",
        1,
    )


async def test_a_delivery_that_hangs_is_put_off(
    make_topic: Callable[..., str], pool: Pool, producer: Producer, deliver: Fetch
) -> None:
    topic, tries = make_topic(), []

    async def hang_once(message: Message) -> None:
        tries.append(message)
        if len(tries) == 1:
            await asyncio.Event().wait()

    async with deliver(topic, deliver=hang_once, limits=replace(LIMITS, deliver_timeout_s=0.2)):
        await send(producer, topic, ("A", "1"))
        await eventually(lambda: len(tries), accept=lambda n: n == 2, timeout_s=30)
    assert tries[1].header("retry-error") == b"TimeoutError: "
    assert await kept(pool) == []


async def test_a_paused_partition_costs_no_membership_delays_nobody_and_shows_its_lag(
    make_topic: Callable[..., str], producer: Producer, receiver: Receiver, deliver: Fetch
) -> None:
    topic = make_topic(partitions=2)
    group, tier = f"g.{topic}", f"g.{topic}.retry.never"
    receiver.errors = {b"%d" % n: Transient("away") for n in range(3)}

    def sample(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"group": group, **labels})

    def lag(unit: str) -> float | None:
        return sample(f"kafka_consumer_lag_{unit}", topic=tier, partition="0")

    async with deliver(topic, NEVER, limits=replace(LIMITS, poll_interval_max_s=1.0)) as loop:
        await eventually(lambda: len(loop.assignment), accept=lambda n: n == 4, timeout_s=30)
        await send(producer, topic, ("A", "0"))
        await eventually(lambda: lag("records"), accept=lambda n: n == 1, timeout_s=30)
        # What comes later is not fetched either, and counted all the same.
        await send(producer, topic, ("A", "1"), ("B", "2"), ("B", "ok"))
        await eventually(lambda: lag("records"), accept=lambda n: n == 3, timeout_s=30)
        await eventually(lambda: lag("seconds"), accept=lambda s: s is not None and s > 0.2)
        assert sample("kafka_consumer_paused_partitions") == 1
        assert receiver.took == [b"ok"]
        members = loop.assignment
        # Longer than a member may go without asking for more.
        await eventually(lambda: lag("seconds"), accept=lambda s: s is not None and s > 2.5)
        await send(producer, topic, ("A", "still here"))
        await eventually(lambda: receiver.took, accept=lambda took: took == [b"ok", b"still here"])
        assert loop.assignment == members
        assert all(len(tries) == 1 for tries in receiver.tries.values())


async def test_what_waits_in_a_tier_outlives_its_consumer(
    make_topic: Callable[..., str], pool: Pool, producer: Producer, receiver: Receiver, deliver: Fetch
) -> None:
    topic = make_topic()
    receiver.errors[b"1"] = Transient("away")
    in_tier = "SELECT count(*) FROM consumer_offsets WHERE topic = $1 AND next_offset = 1"
    async with deliver(topic):
        await send(producer, topic, ("A", "1"))
        await eventually(lambda: pool.fetchval(in_tier, topic), timeout_s=30)
    receiver.errors.clear()
    async with deliver(topic):
        await eventually(lambda: receiver.took, accept=lambda took: took == [b"1"], timeout_s=30)
    assert await kept(pool) == []


async def test_a_redriven_message_begins_with_the_first_tier_and_ends_as_resolved(
    make_topic: Callable[..., str], pool: Pool, producer: Producer, receiver: Receiver, deliver: Fetch
) -> None:
    topic = make_topic()
    origin, headers = Origin(topic, 0, 7), [("retry-attempts", b"3"), ("traceparent", TRACEPARENT)]
    record = redrive_record(f"g.{topic}", origin, key=b"A", value=b"1", headers=headers, redrives=1)
    receiver.errors[b"1"] = Transient("away")
    async with deliver(topic):
        await send_records(producer, record)
        await eventually(lambda: receiver.tries[b"1"], timeout_s=30)
        receiver.errors.clear()
        [resolved] = await eventually(lambda: kept(pool), timeout_s=30)
    assert [m.topic for _, m in receiver.tries[b"1"]] == [f"g.{topic}.retry.redrive", f"g.{topic}.retry.a"]
    assert {m.origin for _, m in receiver.tries[b"1"]} == {origin}
    assert (resolved["topic"], resolved["traceparent"]) == (RESOLVED_TOPIC, TRACEPARENT)
