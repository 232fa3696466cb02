"""Dead letters: the original bytes and headers, with headers that tell where, why and how often it failed.

They leave through the outbox in the transaction that moves the consumer past them, so none is lost. A letter
that is redriven goes to a topic of the failing group alone, and its end is told to whoever keeps the index.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis import logs, metrics
from chassis.outbox.events import Event, add_many, add_records
from chassis.postgres import Connection
from chassis.records import ORIGIN, REDRIVES, Headers, Message, Origin, Record
from chassis.retry import Kind

log = logs.get_logger(__name__)

PREFIX = "dlq-"
# Of a message on its way through the delayed retries.
RETRY_PREFIX = "retry-"
ERROR_CHARACTERS_MAX = 1000
RESOLVED_TOPIC = "dead-letters.letter-resolved.v1"

_DEAD = metrics.counter(
    "dlq_records_total", "Dead letters by group, topic and reason.", ("group", "topic", "reason")
)
_RESOLVED = metrics.counter(
    "dead_letters_resolved_total", "Redriven messages that were applied at last.", ("group",)
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    message: Message
    error: Exception
    kind: Kind
    attempts: int


# The dead-letter topic of a message.
Grave = Callable[[Message], str]


def topic_of(topic: str) -> str:
    return f"{topic}.dlq"


def grave_of(message: Message) -> str:
    """Beside the topic where it stood first."""
    return topic_of(message.origin.topic)


def graves_of(home: str, detours: Collection[str]) -> Grave:
    """As `grave_of`; a message that turns up on a detour and names no origin is buried at `home`."""

    def grave(message: Message) -> str:
        topic = message.origin.topic
        return topic_of(home if topic in detours else topic)

    return grave


def redrive_topic(group: str) -> str:
    """Where the group, and nobody else, meets its redriven messages."""
    return f"{group}.retry.redrive"


def record_of(
    letter: DeadLetter, group: str, *, grave: Grave = grave_of, at: datetime | None = None
) -> Record:
    """The record for the dead-letter topic; of an earlier death only the count of redrives stays."""
    message, origin = letter.message, letter.message.origin
    kept = [
        (name, value) for name, value in message.headers if not name.startswith(PREFIX) or name == REDRIVES
    ]
    told = {
        "group": group,
        "topic": origin.topic,
        "partition": str(origin.partition),
        "offset": str(origin.offset),
        "timestamp-ms": str(message.timestamp_ms),
        "reason": letter.kind.value,
        "error-class": type(letter.error).__name__,
        "error": str(letter.error)[:ERROR_CHARACTERS_MAX],
        "attempts": str(letter.attempts),
        "failed-at": (at or datetime.now(UTC)).isoformat(),
    }
    headers = [*kept, *((PREFIX + name, value.encode("utf-8", "replace")) for name, value in told.items())]
    return Record(grave(message), message.key, message.value, headers)


def redrive_record(
    group: str, origin: Origin, *, key: bytes | None, value: bytes | None, headers: Headers, redrives: int
) -> Record:
    """Another try for the group: original bytes, headers and trace; `redrives` counts this one as well."""
    story = (PREFIX, RETRY_PREFIX)
    kept = [(name, value) for name, value in headers if not name.startswith(story) and name not in ORIGIN]
    told = zip((*ORIGIN, REDRIVES), (*origin, redrives), strict=True)
    return Record(redrive_topic(group), key, value, [*kept, *((name, str(v).encode()) for name, v in told)])


async def bury(
    conn: Connection, group: str, letters: Sequence[DeadLetter], *, grave: Grave = grave_of
) -> None:
    """Put the letters on their way, in the caller's transaction."""
    await add_records(conn, [record_of(letter, group, grave=grave) for letter in letters])


async def resolve(conn: Connection, group: str, applied: Sequence[Message]) -> None:
    """Tell of the redriven ones among the messages, in the transaction of their effects."""
    redriven = [message for message in applied if message.redrives]
    if redriven:
        await add_many(conn, [_resolved(group, message) for message in redriven])


def _resolved(group: str, message: Message) -> Event:
    origin = message.origin
    return Event(
        type=RESOLVED_TOPIC,
        source=f"/{group}",
        key="/".join((group, *map(str, origin))),
        data={"group": group, **origin._asdict(), "redrives": message.redrives},
        traceparent=message.traceparent,
    )


def tell(group: str, letters: Sequence[DeadLetter]) -> None:
    """After the commit: counted and logged."""
    for letter in letters:
        origin = letter.message.origin
        _DEAD.labels(group, origin.topic, letter.kind.value).inc()
        log.warning(
            "consumer.message_buried",
            group=group,
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            reason=letter.kind.value,
            error=type(letter.error).__name__,
        )


def count_resolved(group: str, applied: Sequence[Message]) -> None:
    """After the commit."""
    resolved = sum(message.redrives > 0 for message in applied)
    if resolved:
        _RESOLVED.labels(group).inc(resolved)
