"""Outbox to Kafka on real servers: nothing lost, no key out of order, no relay writes after its lease."""

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from chassis import outbox
from chassis.kafka import Ack, BrokerAway, Producer, Record, RecordRefused
from chassis.outbox import Event, Relay, RelayLimits, store
from chassis.outbox import relay as relay_module
from chassis.outbox.leases import SHARDS, Lease, Leases
from chassis.postgres import Pool
from chassis.records import Result
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.eventually import eventually

LIMITS = RelayLimits(poll_s=0.01, renew_s=0.05, lease_s=1.0)


class FakeProducer:
    """Kafka as the relay sees it, for what a real broker does too seldom; partition = topic."""

    def __init__(self) -> None:
        self.sent: list[Record] = []
        self.answer: Callable[[Record], Result] = lambda _: Ack(0, 0)

    async def send_many(self, records: Sequence[Record]) -> list[Result]:
        results = [self.answer(record) for record in records]
        self.sent += [
            record for record, result in zip(records, results, strict=True) if isinstance(result, Ack)
        ]
        return results


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(relay.run(stop)) for relay in relays]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def is_empty(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def test_an_event_leaves_only_with_the_change_it_tells_of(pool: Pool) -> None:
    async with pool.acquire() as conn:
        change = conn.transaction()
        await change.start()
        await outbox.add(conn, Event(type="t.x-done.v1", key="1", data={}))
        await change.rollback()
    assert await is_empty(pool)


async def test_an_event_reaches_kafka_byte_for_byte_and_its_row_is_gone(
    pool: Pool, producer: Producer, make_topic: Callable[..., str], kafka_bootstrap: str
) -> None:
    from aiokafka import AIOKafkaConsumer

    topic = make_topic(partitions=3)
    event = Event(type="t.x-done.v1", topic=topic, key="k1", data={"n": 1}, subject="s", sequence=3)
    async with running(Relay(pool, producer, LIMITS)):
        async with pool.acquire() as conn, conn.transaction():
            await outbox.add(conn, event)
        await eventually(lambda: is_empty(pool))
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(10):
            record = await consumer.getone()
    finally:
        await consumer.stop()
    assert (record.key, record.value) == (b"k1", b'{"n":1}')
    headers = dict(record.headers)
    assert headers["ce_id"] == event.id.encode()
    assert headers["ce_sequence"] == b"3"


async def test_four_relays_keep_every_key_in_order_while_commits_are_delayed(
    pools: Callable[[], Awaitable[Pool]],
    producer: Producer,
    make_topic: Callable[..., str],
    kafka_bootstrap: str,
) -> None:
    from aiokafka import AIOKafkaConsumer

    topic, keys, each = make_topic(partitions=4), 60, 20
    pool = await pools()
    await pool.execute("CREATE TABLE aggregates (id text PRIMARY KEY, version int NOT NULL DEFAULT 0)")
    await pool.executemany("INSERT INTO aggregates (id) VALUES ($1)", [(f"a{n}",) for n in range(keys)])

    async def change(key: str) -> None:
        async with pool.acquire(timeout=30) as conn, conn.transaction():
            version = await conn.fetchval(
                "UPDATE aggregates SET version = version + 1 WHERE id = $1 RETURNING version", key
            )
            await outbox.add(conn, Event(type="t.x.v1", topic=topic, key=key, data=version, sequence=version))
            # Ids are taken in one order and committed in another.
            await asyncio.sleep(random.choice((0, 0, 0.005, 0.02)))  # noqa: S311

    work = [f"a{n}" for n in range(keys)] * each
    random.shuffle(work)
    relays = [Relay(await pools(), producer, LIMITS) for _ in range(4)]
    async with running(*relays):
        await asyncio.gather(*(change(key) for key in work))
        await eventually(lambda: is_empty(pool), timeout_s=30)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        seen: dict[bytes, list[int]] = defaultdict(list)
        async with asyncio.timeout(20):
            while sum(map(len, seen.values())) < len(work):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        seen[record.key].append(int(record.value))
    finally:
        await consumer.stop()
    inversions = sum(versions != sorted(versions) for versions in seen.values())
    assert inversions == 0
    assert all(sorted(set(versions)) == list(range(1, each + 1)) for versions in seen.values())


async def test_relays_share_the_shards_evenly_and_take_over_those_of_a_leaver(
    pool: Pool, pools: Callable[[], Awaitable[Pool]]
) -> None:
    async def shares() -> list[int]:
        rows = await pool.fetch(
            "SELECT count(*) FROM outbox_leases WHERE expires_at > clock_timestamp() GROUP BY owner"
        )
        return sorted(row["count"] for row in rows)

    first = Relay(await pools(), FakeProducer(), LIMITS)
    second = Relay(await pools(), FakeProducer(), LIMITS)
    async with running(first):
        await eventually(shares, accept=lambda found: found == [SHARDS])
        async with running(second):
            await eventually(shares, accept=lambda found: found == [SHARDS // 2] * 2)
        await eventually(shares, accept=lambda found: found == [SHARDS])
    assert await shares() == []


async def test_a_relay_that_lost_its_lease_deletes_nothing(pool: Pool) -> None:
    stalled, successor = Leases(0.05), Leases(30)
    async with pool.acquire() as conn:
        await outbox.add(conn, Event(type="t.x.v1", key="k", data=1))
        await stalled.share_out(conn)
        held = dict(stalled.held())
        [row] = await store.fetch(conn, list(held), per_shard=10, bytes_max=1000)

        async def take_over() -> bool:
            await successor.share_out(conn)
            return len(successor.held()) == SHARDS

        await eventually(take_over)
        assert await store.delete(conn, stalled.owner, held, [row["id"]]) == 0
        forged = {shard: Lease(lease.token - 1, lease.until) for shard, lease in successor.held().items()}
        assert await store.delete(conn, successor.owner, forged, [row["id"]]) == 0
        assert await store.delete(conn, successor.owner, successor.held(), [row["id"]]) == 1
        assert stalled.held() == {}


async def test_what_was_not_acknowledged_stays_and_is_sent_again_in_order(pool: Pool) -> None:
    producer = FakeProducer()
    broken = True
    producer.answer = lambda _: BrokerAway("no broker") if broken else Ack(0, 0)
    async with pool.acquire() as conn, conn.transaction():
        await outbox.add_many(conn, [Event(type="t.x.v1", key="k", data=n) for n in range(50)])
    async with running(Relay(pool, producer, LIMITS)):
        await asyncio.sleep(0.1)
        assert await pool.fetchval("SELECT count(*) FROM outbox") == 50
        broken = False
        await eventually(lambda: is_empty(pool))
    assert [int(record.value or b"") for record in producer.sent] == list(range(50))


async def test_a_record_that_the_broker_refuses_is_set_aside_and_delays_nobody(pool: Pool) -> None:
    producer = FakeProducer()
    producer.answer = lambda record: RecordRefused("too large") if record.value == b"13" else Ack(0, 0)
    async with pool.acquire() as conn, conn.transaction():
        await outbox.add_many(conn, [Event(type="t.x.v1", key="k", data=n) for n in range(30)])
    async with running(Relay(pool, producer, LIMITS)):
        await eventually(lambda: is_empty(pool))
    assert len(producer.sent) == 29
    row = await pool.fetchrow("SELECT value, error FROM outbox_refused")
    assert row is not None
    assert (row["value"], row["error"]) == (b"13", "too large")


async def test_a_topic_nobody_declared_delays_no_other(
    pool: Pool, producer: Producer, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    async with pool.acquire() as conn, conn.transaction():
        await outbox.add(conn, Event(type="t.x.v1", topic=f"missing.{uuid.uuid4().hex}", key="k", data=1))
        await outbox.add(conn, Event(type="t.x.v1", topic=topic, key="k", data=2))

    async def waiting() -> int:
        count: int = await pool.fetchval("SELECT count(*) FROM outbox")
        return count

    async with running(Relay(pool, producer, LIMITS)):
        await eventually(waiting, accept=lambda count: count == 1)


async def test_a_pass_that_fails_does_not_end_the_relay(pool: Pool) -> None:
    producer = FakeProducer()
    failures = iter([RuntimeError("bug"), OSError("net")])

    def answer(_: Record) -> Result:
        error = next(failures, None)
        if error is not None:
            raise error
        return Ack(0, 0)

    producer.answer = answer
    async with running(Relay(pool, producer, LIMITS)):
        async with pool.acquire() as conn:
            await outbox.add(conn, Event(type="t.x.v1", key="k", data=1))
        await eventually(lambda: is_empty(pool))


async def test_a_wake_up_spares_the_wait_for_the_poll(pool: Pool) -> None:
    relay = Relay(pool, FakeProducer(), RelayLimits(poll_s=3600, renew_s=0.05))
    async with running(relay):
        await eventually(lambda: len(relay._leases.held()) == SHARDS)
        async with pool.acquire() as conn:
            await outbox.add(conn, Event(type="t.x.v1", key="k", data=1))

        async def woken() -> bool:
            relay.wake()
            return await is_empty(pool)

        await eventually(woken)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_batch_ends_at_its_bytes_but_is_never_empty(pool: Pool, size: int) -> None:
    async with pool.acquire() as conn:
        await outbox.add_records(conn, [Record("t", b"k", b"x" * 1000) for _ in range(5)])
        rows = await store.fetch(conn, list(range(SHARDS)), per_shard=10, bytes_max=size * 1000 - 500)
    assert len(rows) == size


async def test_a_sampled_event_has_its_sending_in_the_trace_of_its_request(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(relay_module, "tracer", provider.get_tracer("test"))
    with provider.get_tracer("test").start_as_current_span("request") as request:
        async with pool.acquire() as conn:
            await outbox.add(conn, Event(type="t.x.v1", key="k", data=1))
    async with pool.acquire() as conn:
        await outbox.add(conn, Event(type="t.x.v1", key="k", data=2))
    producer = FakeProducer()
    async with running(Relay(pool, producer, LIMITS)):
        await eventually(lambda: is_empty(pool))
    traceparent = dict(producer.sent[0].headers)["traceparent"].decode()
    context = request.get_span_context()
    assert traceparent == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    [sending] = [span for span in exporter.get_finished_spans() if span.name == "send t.x.v1"]
    assert sending.context.trace_id == context.trace_id
    assert sending.parent is not None
    assert sending.parent.span_id == context.span_id
