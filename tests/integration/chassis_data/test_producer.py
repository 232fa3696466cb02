"""The producer: a result for every record, bounded waits, and no need of a broker to start."""

import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from chassis.kafka import (
    Ack,
    BrokerAway,
    Producer,
    ProducerLimits,
    QueueFull,
    Record,
    RecordRefused,
    TopicUnknown,
)
from chassis.settings import ChassisSettings
from chassis.telemetry import current_traceparent
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.chassis_data.consuming import declare
from tests.support.eventually import eventually
from tests.support.ports import free_port

MakeTopic = Callable[..., str]


@asynccontextmanager
async def producer_of(settings: ChassisSettings, limits: ProducerLimits) -> AsyncIterator[Producer]:
    producer = Producer(settings, limits)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def test_each_record_gets_the_place_where_it_was_written(
    producer: Producer, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3)
    results = await producer.send_many([Record(topic, b"k%d" % n, b"v") for n in range(1000)])
    places = {(ack.partition, ack.offset) for ack in results if isinstance(ack, Ack)}
    assert len(places) == 1000
    same_key = await producer.send_many([Record(topic, b"k", b"%d" % n) for n in range(100)])
    acks = [ack for ack in same_key if isinstance(ack, Ack)]
    assert len({ack.partition for ack in acks}) == 1
    assert [ack.offset for ack in acks] == sorted(ack.offset for ack in acks)


async def test_records_without_a_key_and_without_a_value_are_sent(
    producer: Producer, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3)
    assert isinstance(await producer.send(Record(topic, None, b"no key")), Ack)
    assert isinstance(await producer.send(Record(topic, b"k", None)), Ack)


async def test_a_record_too_large_is_refused_and_its_neighbours_are_written(
    producer: Producer, make_topic: MakeTopic
) -> None:
    topic = make_topic(config={"max.message.bytes": "1000"})
    noise = random.Random(1).randbytes(5000)  # noqa: S311
    results = await producer.send_many(
        [Record(topic, b"k", b"1"), Record(topic, b"k", noise), Record(topic, b"k", b"3")]
    )
    assert isinstance(results[0], Ack)
    assert isinstance(results[1], RecordRefused)
    # The refusal may leave a gap in the client's sequence: then what follows waits for a new client.
    assert isinstance(results[2], Ack | BrokerAway)
    assert isinstance(await producer.send(Record(topic, b"k", b"3")), Ack)


async def test_a_missing_topic_is_told_and_the_client_lives_on(
    producer: Producer, make_topic: MakeTopic
) -> None:
    results = await producer.send_many(
        [Record("missing." + uuid.uuid4().hex, b"k", b"v"), Record(make_topic(), b"k", b"v")]
    )
    assert isinstance(results[0], TopicUnknown)
    assert isinstance(results[1], Ack)
    assert producer.connected


async def test_a_topic_that_is_declared_later_is_found_and_nobody_waits_for_it_meanwhile(
    kafka_settings: ChassisSettings, make_topic: MakeTopic
) -> None:
    present, missing = make_topic(), "missing." + uuid.uuid4().hex
    limits = ProducerLimits(metadata_timeout_s=0.5, unknown_topic_pause_s=3600)
    async with producer_of(kafka_settings, limits) as producer:
        both = [Record(missing, b"k", b"v"), Record(present, b"k", b"v")]
        for _ in range(3):
            results = await producer.send_many(both)
            assert isinstance(results[0], TopicUnknown)
            assert isinstance(results[1], Ack)
        # Only the first of them waited: the topic is looked for again after its pause.
        assert producer._unknown[missing] > time.monotonic() + 3000
        await declare(kafka_settings.kafka_bootstrap, missing)

        async def send() -> bool:
            producer._unknown[missing] = 0.0
            return isinstance((await producer.send_many(both))[0], Ack)

        await eventually(send)


async def test_without_a_broker_start_succeeds_and_sends_fail_in_bounded_time() -> None:
    settings = ChassisSettings(kafka_bootstrap=f"127.0.0.1:{free_port()}")
    async with producer_of(settings, ProducerLimits(send_timeout_s=0.3)) as producer:
        started = time.monotonic()
        with pytest.raises(BrokerAway):
            await producer.send(Record("t", b"k", b"v"))
        assert time.monotonic() - started < ProducerLimits().send_timeout_s
        assert not producer.connected


async def test_more_than_the_queue_holds_is_refused_at_once(
    kafka_settings: ChassisSettings, make_topic: MakeTopic
) -> None:
    topic = make_topic()
    async with producer_of(kafka_settings, ProducerLimits(inflight_records_max=10)) as producer:
        results = await producer.send_many([Record(topic, b"k", b"v")] * 11)
        assert all(isinstance(result, QueueFull) for result in results)
        assert isinstance(await producer.send(Record(topic, b"k", b"v")), Ack)


async def test_the_current_trace_travels_in_the_headers(
    producer: Producer, make_topic: MakeTopic, kafka_settings: ChassisSettings
) -> None:
    from aiokafka import AIOKafkaConsumer

    topic = make_topic()
    with TracerProvider().get_tracer("test").start_as_current_span("request"):
        expected = current_traceparent()
        await producer.send(Record(topic, b"k", b"v"))
    assert expected is not None
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_settings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:

        async def headers() -> dict[str, bytes]:
            fetched = await consumer.getmany(timeout_ms=200)
            return {name: value for records in fetched.values() for r in records for name, value in r.headers}

        found = await eventually(headers)
    finally:
        await consumer.stop()
    assert found["traceparent"] == expected.encode()
