"""Positions that live in Postgres, as Kafka's own tools see them."""

from collections.abc import Callable

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from chassis.kafka import Producer
from chassis.postgres import Pool

from tests.integration.chassis_data.conftest import Consume
from tests.integration.chassis_data.consuming import count, send, values_of
from tests.support.eventually import eventually


async def committed(bootstrap: str, group: str) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {partition: found.offset for partition, found in offsets.items()}


async def test_the_usual_tools_see_how_far_a_group_is(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume, kafka_bootstrap: str
) -> None:
    topic = make_topic()
    place = TopicPartition(topic, 0)
    async with consume(topic):
        await send(producer, topic, *(("k", str(n)) for n in range(20)))
        told = {place: 20}
        await eventually(
            lambda: committed(kafka_bootstrap, f"g.{topic}"), accept=lambda at: at == told, timeout_s=30
        )
        await send(producer, topic, ("k", "20"))
        await eventually(lambda: count(effects), accept=lambda n: n == 21)
    # Whoever leaves tells it once more.
    assert await committed(kafka_bootstrap, f"g.{topic}") == {place: 21}


async def test_a_group_without_rows_begins_at_the_beginning_whatever_kafka_remembers(
    effects: Pool, producer: Producer, make_topic: Callable[..., str], consume: Consume
) -> None:
    topic = make_topic()
    await send(producer, topic, ("k", "1"), ("k", "2"))
    async with consume(topic):
        await eventually(lambda: count(effects), accept=lambda n: n == 2, timeout_s=30)
    await effects.execute("TRUNCATE consumer_offsets")
    async with consume(topic):
        await eventually(lambda: count(effects), accept=lambda n: n == 4, timeout_s=30)
    assert await values_of(effects, "k") == ["1", "2", "1", "2"]
