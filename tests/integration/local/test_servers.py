"""The fixtures themselves: what other tests stand on."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as RedisTimeoutError

from infra.kafka import topics
from tests.support.databases import Databases
from tests.support.servers import Handle


async def test_every_test_gets_an_empty_database_of_its_own(postgres_dsn: str, databases: Databases) -> None:
    assert postgres_dsn != databases.admin_dsn
    conn = await asyncpg.connect(postgres_dsn)
    assert await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await conn.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_redis_is_empty_at_the_start_of_a_test(redis_url: str, turn: int) -> None:
    client = Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0))
    assert await client.dbsize() == 0
    await client.set("turn", turn)
    await client.aclose()


async def test_a_new_topic_takes_records_at_once(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(partitions=2)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, b"one", partition=1)
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 10)
    await consumer.stop()
    assert record.value == b"one"


async def test_a_redis_that_is_paused_answers_nothing_and_resumes(own_redis: Handle) -> None:
    client = Redis.from_url(own_redis.address, retry=Retry(NoBackoff(), 0), socket_timeout=0.2)
    await client.set("k", "v")
    own_redis.pause()
    with pytest.raises(RedisTimeoutError):
        await client.get("k")
    own_redis.resume()
    assert await client.get("k") == b"v"
    await client.aclose()


async def test_a_killed_postgres_comes_back_with_its_data_at_the_same_address(own_postgres: Handle) -> None:
    conn = await asyncpg.connect(own_postgres.address)
    await conn.execute("CREATE TABLE kept AS SELECT 1 AS n")
    await asyncio.to_thread(own_postgres.kill)
    await asyncio.to_thread(own_postgres.start)
    again = await asyncpg.connect(own_postgres.address)
    assert await again.fetchval("SELECT n FROM kept") == 1
    await again.close()
    conn.terminate()


async def test_declared_topics_are_applied_grown_and_left_alone_the_second_time(
    kafka_bootstrap: str, make_topic: Callable[..., str]
) -> None:
    name = make_topic(partitions=1)
    wanted = topics.Topic(name, 3, {"retention.ms": "60000"})
    assert len(await topics.apply(kafka_bootstrap, [wanted])) == 2
    assert await topics.apply(kafka_bootstrap, [wanted]) == []
    with pytest.raises(topics.TopicError, match="never shrink"):
        await topics.apply(kafka_bootstrap, [topics.Topic(name, 2)])
