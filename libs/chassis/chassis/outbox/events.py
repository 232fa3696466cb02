"""An event and its row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from chassis.ids import uuid7
from chassis.postgres import Connection
from chassis.records import Record, cloudevent_headers
from chassis.telemetry import current_traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A CloudEvent with JSON data.

    `key` is the aggregate's id. Events of one key reach consumers in the order of their rows' ids, which is
    the order of their commits as long as each is added under the aggregate's row lock (insert, update or
    SELECT FOR UPDATE of it earlier in the transaction). `sequence` is its version after the change.
    """

    type: str
    key: str
    data: Any
    subject: str | None = None
    sequence: int | None = None
    # The topic is the type's name unless one topic carries several types.
    topic: str | None = None
    source: str | None = None
    id: str = field(default_factory=lambda: str(uuid7()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    # Of the current span by default; a batch that handles many traces names each event's own.
    traceparent: str | None = None

    def record(self) -> Record:
        headers = cloudevent_headers(
            event_id=self.id,
            source=self.source or "/" + self.type.split(".", 1)[0],
            event_type=self.type,
            time=self.time,
            subject=self.subject,
            sequence=self.sequence,
            traceparent=self.traceparent or current_traceparent(),
        )
        return Record(self.topic or self.type, self.key.encode(), msgspec.json.encode(self.data), headers)


async def add(conn: Connection, event: Event) -> None:
    """Put the event on its way, in the caller's transaction."""
    await add_records(conn, [event.record()])


async def add_many(conn: Connection, events: Sequence[Event]) -> None:
    await add_records(conn, [event.record() for event in events])


async def add_records(conn: Connection, records: Sequence[Record]) -> None:
    """For records that are no events of ours, such as dead letters."""
    rows = [
        (
            record.topic,
            record.key,
            record.value,
            [name for name, _ in record.headers],
            [value for _, value in record.headers],
        )
        for record in records
    ]
    # One round trip for any number of rows.
    await conn.executemany(
        """
        INSERT INTO outbox (topic, key, value, header_names, header_values)
        VALUES ($1, $2, $3, $4, $5)
        """,
        rows,
    )
