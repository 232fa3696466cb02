"""What the consumers of these tests do, and how it is looked at."""

from typing import Any

from chassis.kafka import ConsumerLimits, Message, Producer, Record
from chassis.postgres import Connection, Pool

from infra.kafka import topics

LIMITS = ConsumerLimits(
    poll_s=0.05,
    session_timeout_s=6.0,
    heartbeat_s=0.2,
    mirror_every_s=0.1,
    in_place_first_s=0.01,
    in_place_most_s=0.02,
    park_first_s=0.1,
    park_most_s=0.2,
    failure_pause_first_s=0.05,
    failure_pause_max_s=0.2,
)


async def declare(bootstrap: str, *names: str) -> None:
    """Topics of one partition, for names that follow from a group's."""
    config = {"max.message.bytes": "1572864"}
    await topics.apply(bootstrap, [topics.Topic(name, 1, config) for name in names])


async def record_effects(conn: Connection, messages: list[Message]) -> None:
    await conn.execute(
        """
        INSERT INTO effects (key, value, part, at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[])
        """,
        [(m.key or b"").decode() for m in messages],
        [(m.value or b"").decode() for m in messages],
        [m.partition for m in messages],
        [m.offset for m in messages],
    )


async def send(producer: Producer, topic: str, *values: tuple[str, str]) -> None:
    await send_records(producer, *(Record(topic, key.encode(), value.encode()) for key, value in values))


async def send_records(producer: Producer, *records: Record) -> None:
    assert all(hasattr(ack, "offset") for ack in await producer.send_many(records))


async def values_of(pool: Pool, key: str) -> list[str]:
    rows = await pool.fetch("SELECT value FROM effects WHERE key = $1 ORDER BY id", key)
    return [row["value"] for row in rows]


async def count(pool: Pool) -> int:
    total: int = await pool.fetchval("SELECT count(*) FROM effects")
    return total


async def letters(pool: Pool) -> list[dict[str, Any]]:
    """What waits in the outbox: its topic, key and value, and its headers by name."""
    rows = await pool.fetch("SELECT topic, key, value, header_names, header_values FROM outbox ORDER BY id")
    return [
        {"topic": r["topic"], "key": r["key"], "value": r["value"]}
        | dict(zip(r["header_names"], r["header_values"], strict=True))
        for r in rows
    ]
