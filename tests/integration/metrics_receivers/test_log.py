"""On a real broker: what is acknowledged stands in the log, at its position, with the sender's trace."""

from collections.abc import AsyncIterator, Callable
from secrets import token_hex

import pytest
from metrics_ingest.app import new_producer
from metrics_ingest.usecases.accept import TOPIC

from infra.kafka import topics
from infra.kafka.topics import Topic
from tests.support import kafka_topics, remote_write
from tests.support.metrics import Served, serving, settings_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def served(
    migrated_dsn: Callable[[str], str], redis_url: str, kafka_bootstrap: str
) -> AsyncIterator[Served]:
    topic = Topic(TOPIC, 6, {"max.message.bytes": "1572864"})
    await topics.apply(kafka_bootstrap, [topic])
    settings = settings_of(
        migrated_dsn("metrics_ingest"), redis_url, kafka_bootstrap=kafka_bootstrap, ack_timeout_s=30.0
    )
    producer = new_producer(settings)
    await producer.start()
    try:
        async with serving(settings, producer) as served:
            yield served
    finally:
        await producer.stop()


async def test_the_position_is_where_the_batch_stands(served: Served, kafka_bootstrap: str) -> None:
    api = served.client()
    points = {"points": [{"name": "up", "value": 1}, {"name": "", "value": 1}]}
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}

    told = (await api.post("/api/v1/points", json=points, headers=headers)).json()

    found = await kafka_topics.read(kafka_bootstrap, [TOPIC])
    (record,) = [one for one in found if one.header("ce_id") == told["batch_id"]]
    assert told["position"] == f"p{record.partition}:{record.offset}"
    assert record.key == told["batch_id"].encode()
    assert (record.header("received"), record.header("accepted")) == ("2", "1")
    assert record.trace_id == TRACE


async def test_a_request_of_many_records_stands_in_one_partition_in_order(
    served: Served, kafka_bootstrap: str
) -> None:
    await served.limit("one", new_series_per_h=100_000)
    # What does not compress: two records' worth of it, by a name that no other test of the broker sends.
    name = f"many_{token_hex(8)}"
    lines = [f'{name}{{i="{token_hex(400)}"}} {number}\n' for number in range(3_000)]

    answer = await served.client().post(
        "/api/v1/import/prometheus", content="".join(lines), headers={"content-type": "text/plain"}
    )

    assert answer.status_code == 204, answer.text
    found = await kafka_topics.read(kafka_bootstrap, [TOPIC])
    mine = [one for one in found if one.value and name.encode() in remote_write.unsnap(one.value)]
    assert len(mine) > 1
    assert len({(one.partition, one.key) for one in mine}) == 1
    assert [one.header("ce_id") for one in mine] == [
        f"{(one.key or b'').decode()}.{part}" for part, one in enumerate(mine)
    ]
    assert sum(int(one.header("accepted") or 0) for one in mine) == 3_000
    assert sum(int(one.header("received") or 0) for one in mine) == 3_000
