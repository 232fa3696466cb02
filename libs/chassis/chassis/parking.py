"""Parked keys: one whose head fails for a passing reason waits in Postgres, later messages behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from chassis.postgres import Connection
from chassis.records import Message

# An entry of a B-tree holds less than 2.7 kB: a longer key is told by its hash.
KEY_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A partition as one consumer group sees it."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class ParkedKey:
    place: Place
    key: bytes
    attempts: int
    due_in_s: float


def order_key(message: Message) -> bytes:
    """Messages of one order key are applied in order; one without a key stands alone."""
    if message.key is not None:
        if len(message.key) <= KEY_BYTES_MAX:
            return message.key
        return b"sha256/" + sha256(message.key).digest()
    return f"{message.topic}/{message.partition}/{message.offset}".encode()


async def load(conn: Connection, place: Place) -> list[ParkedKey]:
    rows = await conn.fetch(
        """
        SELECT key, attempts, extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due_in_s
        FROM parked_keys
        WHERE consumer_group = $1 AND topic = $2 AND partition = $3
        """,
        place.group,
        place.topic,
        place.partition,
    )
    return [ParkedKey(place, row["key"], row["attempts"], row["due_in_s"]) for row in rows]


async def park(
    conn: Connection, place: Place, key: bytes, *, attempts: int, delay_s: float, error: str
) -> None:
    """Park the key, or put its next attempt off."""
    await conn.execute(
        """
        INSERT INTO parked_keys (consumer_group, topic, partition, key, attempts, error, next_attempt_at)
        VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7::interval)
        ON CONFLICT (consumer_group, topic, partition, key) DO UPDATE
        SET attempts = excluded.attempts, error = excluded.error, next_attempt_at = excluded.next_attempt_at
        """,
        place.group,
        place.topic,
        place.partition,
        key,
        attempts,
        error,
        timedelta(seconds=delay_s),
    )


async def queue(conn: Connection, group: str, messages: Sequence[Message]) -> None:
    """Keep the messages behind their parked keys; one that is redelivered is kept once."""
    rows = [
        (
            group,
            message.topic,
            message.partition,
            message.offset,
            order_key(message),
            message.key,
            message.value,
            [name for name, _ in message.headers],
            [value for _, value in message.headers],
            message.timestamp_ms,
        )
        for message in messages
    ]
    await conn.executemany(
        """
        INSERT INTO parked_messages (
            consumer_group, topic, partition, message_offset, key, message_key, value,
            header_names, header_values, timestamp_ms
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT DO NOTHING
        """,
        rows,
    )


async def lock(conn: Connection, place: Place, key: bytes) -> bool:
    """False: the key is parked no more, or another member releases it at this moment."""
    row = await conn.fetchrow(
        """
        SELECT true
        FROM parked_keys
        WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND key = $4
        FOR UPDATE SKIP LOCKED
        """,
        place.group,
        place.topic,
        place.partition,
        key,
    )
    return row is not None


async def head(conn: Connection, parked: ParkedKey, *, limit: int) -> list[Message]:
    """The key's oldest messages in order."""
    rows = await conn.fetch(
        """
        SELECT message_offset, message_key, value, header_names, header_values, timestamp_ms
        FROM parked_messages
        WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND key = $4
        ORDER BY message_offset
        LIMIT $5
        """,
        parked.place.group,
        parked.place.topic,
        parked.place.partition,
        parked.key,
        limit,
    )
    return [_message(row, parked) for row in rows]


async def remove(conn: Connection, group: str, messages: Sequence[Message]) -> None:
    await conn.execute(
        """
        DELETE FROM parked_messages
        USING unnest($2::text[], $3::integer[], $4::bigint[]) AS done (topic, partition, message_offset)
        WHERE parked_messages.consumer_group = $1
          AND parked_messages.topic = done.topic
          AND parked_messages.partition = done.partition
          AND parked_messages.message_offset = done.message_offset
        """,
        group,
        [message.topic for message in messages],
        [message.partition for message in messages],
        [message.offset for message in messages],
    )


async def free(conn: Connection, place: Place, key: bytes) -> bool:
    """Unpark the key if nothing of it waits; the answer tells."""
    row = await conn.fetchrow(
        """
        DELETE FROM parked_keys AS k
        WHERE k.consumer_group = $1 AND k.topic = $2 AND k.partition = $3 AND k.key = $4
          AND NOT EXISTS (
              SELECT FROM parked_messages AS m
              WHERE m.consumer_group = $1 AND m.topic = $2 AND m.partition = $3 AND m.key = $4
          )
        RETURNING true
        """,
        place.group,
        place.topic,
        place.partition,
        key,
    )
    return row is not None


def _message(row: Any, parked: ParkedKey) -> Message:
    return Message(
        topic=parked.place.topic,
        partition=parked.place.partition,
        offset=row["message_offset"],
        key=row["message_key"],
        value=row["value"],
        headers=tuple(zip(row["header_names"], row["header_values"], strict=True)),
        timestamp_ms=row["timestamp_ms"],
        attempts=parked.attempts,
    )
