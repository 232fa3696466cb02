"""Kafka looked at from outside: what a topic holds, what a stranger writes to it, where a group stands."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError
from chassis.records import Headers, Record

TIMEOUT_S = 30.0
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it stands in the log; `appended_ms` is its timestamp there."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    appended_ms: int

    def header(self, name: str) -> str | None:
        """The last header of that name."""
        values = [value for known, value in self.headers if known == name]
        return values[-1].decode("utf-8", "replace") if values else None

    @property
    def trace_id(self) -> str | None:
        traceparent = self.header("traceparent")
        return traceparent.split("-")[1] if traceparent else None

    @property
    def sequence(self) -> int:
        return int(self.header("ce_sequence") or "0")


async def read(bootstrap: str, topics: Iterable[str]) -> list[Found]:
    """All that the topics hold from offset 0 to their ends of this moment, each partition in its order."""
    async with asyncio.timeout(TIMEOUT_S), _consumer(bootstrap) as consumer:
        places = await _places(consumer, topics)
        ends = await consumer.end_offsets(places)
        wanted = [place for place in places if ends[place] > 0]
        consumer.assign(wanted)
        await consumer.seek_to_beginning(*wanted)
        found: list[Found] = []
        while wanted:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [
                    Found(r.topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
                    for r in records
                ]
            wanted = [place for place in wanted if await consumer.position(place) < ends[place]]
    return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))


async def ends(bootstrap: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """The next offset of every partition: how much was ever written to it."""
    async with asyncio.timeout(TIMEOUT_S), _consumer(bootstrap) as consumer:
        last: Mapping[TopicPartition, int] = await consumer.end_offsets(await _places(consumer, topics))
    return {(place.topic, place.partition): offset for place, offset in last.items()}


async def write(bootstrap: str, records: Sequence[Record], *, partition: int | None = None) -> None:
    """Raw records, one after the other, acknowledged; to one partition when it is given."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_request_size=2 * 1024 * 1024
    )
    async with asyncio.timeout(TIMEOUT_S):
        await producer.start()
        try:
            for record in records:
                await producer.send_and_wait(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=partition,
                )
        finally:
            await producer.stop()


async def rewind(bootstrap: str, group: str, topics: Iterable[str]) -> None:
    """The group starts at offset 0 again, as soon as its last member is known to have gone."""
    async with asyncio.timeout(TIMEOUT_S), _consumer(bootstrap, group=group) as consumer:
        places = await _places(consumer, topics)
        consumer.assign(places)
        while True:
            try:
                await consumer.commit(dict.fromkeys(places, 0))
            except CommitFailedError:  # a static member leaves when its session ends
                await asyncio.sleep(PAUSE_S)
            else:
                return


async def _places(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    """Every partition of the topics."""
    metadata = (
        await consumer._client.fetch_all_metadata()
    )  # aiokafka has no public word for a topic not subscribed
    places = []
    for topic in topics:
        partitions = metadata.partitions_for_topic(topic)
        assert partitions, f"{topic} does not exist"
        places += [TopicPartition(topic, number) for number in sorted(partitions)]
    return places


@asynccontextmanager
async def _consumer(bootstrap: str, *, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
