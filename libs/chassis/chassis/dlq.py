"""Dead letters: the original bytes and headers, with headers that tell where, why and how often it failed.

They leave through the outbox in the transaction that moves the consumer past them, so none is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis import metrics
from chassis.outbox.events import add_records
from chassis.postgres import Connection
from chassis.records import Message, Record
from chassis.retry import Kind

PREFIX = "dlq-"
ERROR_CHARACTERS_MAX = 1000
REDRIVES = "dlq-redrives"

_DEAD = metrics.counter(
    "dlq_records_total", "Dead letters by group, topic and reason.", ("group", "topic", "reason")
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    message: Message
    error: Exception
    kind: Kind
    attempts: int


def topic_of(topic: str) -> str:
    return f"{topic}.dlq"


def record_of(
    letter: DeadLetter, group: str, *, topic: str | None = None, at: datetime | None = None
) -> Record:
    """The record for the dead-letter topic; of an earlier death only the count of redrives stays."""
    message = letter.message
    kept = [
        (name, value) for name, value in message.headers if not name.startswith(PREFIX) or name == REDRIVES
    ]
    told = {
        "group": group,
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "timestamp-ms": str(message.timestamp_ms),
        "reason": letter.kind.value,
        "error-class": type(letter.error).__name__,
        "error": str(letter.error)[:ERROR_CHARACTERS_MAX],
        "attempts": str(letter.attempts),
        "failed-at": (at or datetime.now(UTC)).isoformat(),
    }
    headers = [*kept, *((PREFIX + name, value.encode("utf-8", "replace")) for name, value in told.items())]
    return Record(topic or topic_of(message.topic), message.key, message.value, headers)


async def bury(
    conn: Connection, group: str, letters: Sequence[DeadLetter], *, topic: str | None = None
) -> None:
    """Put the letters on their way, in the caller's transaction."""
    await add_records(conn, [record_of(letter, group, topic=topic) for letter in letters])


def count(group: str, letters: Sequence[DeadLetter]) -> None:
    """After the commit."""
    for letter in letters:
        _DEAD.labels(group, letter.message.topic, letter.kind.value).inc()
