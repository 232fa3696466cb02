"""What is sent and what is received, their CloudEvents headers, and what became of a record that was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

TRACEPARENT = "traceparent"
CONTENT_TYPE = "content-type"
JSON = b"application/json"
# Headers that a message gets at its first detour (a retry tier, a redrive) and keeps: where it stood first.
ORIGIN = ("origin-topic", "origin-partition", "origin-offset")
REDRIVES = "dlq-redrives"

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Origin(NamedTuple):
    """The first place of a message: of all its copies it names the same one."""

    topic: str
    partition: int
    offset: int


class Message(msgspec.Struct, frozen=True, gc=False):
    """A record as it was received; `timestamp_ms` is the producer's clock."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = 0
    attempts: int = 0

    def header(self, name: str) -> bytes | None:
        """The last header of that name."""
        for known, value in reversed(self.headers):
            if known == name:
                return value
        return None

    @property
    def origin(self) -> Origin:
        """Where it stood first; its own place unless it came back."""
        topic, partition, offset = (self.header(name) for name in ORIGIN)
        if topic and partition and offset and partition.isdigit() and offset.isdigit():
            return Origin(topic.decode("utf-8", "replace"), int(partition), int(offset))
        return Origin(self.topic, self.partition, self.offset)

    @property
    def event_id(self) -> str:
        """The CloudEvents id, else the first place in the log: either names this event for ever."""
        value = self.header("ce_id")
        return value.decode() if value else "{}/{}/{}".format(*self.origin)

    @property
    def event_type(self) -> str | None:
        """The CloudEvents type."""
        value = self.header("ce_type")
        return value.decode("utf-8", "replace") if value else None

    @property
    def redrives(self) -> int:
        """How often it was taken out of the dead letters for another try."""
        value = self.header(REDRIVES)
        return int(value) if value and value.isdigit() else 0

    @property
    def traceparent(self) -> str | None:
        value = self.header(TRACEPARENT)
        return value.decode("ascii", "replace") if value else None


def origin_headers(message: Message) -> list[tuple[str, bytes]]:
    """The message's headers, with its first place among them."""
    if any(name == ORIGIN[0] for name, _ in message.headers):
        return list(message.headers)
    told = [(name, str(value).encode()) for name, value in zip(ORIGIN, message.origin, strict=True)]
    return [*message.headers, *told]


def cloudevent_headers(
    *,
    event_id: str,
    source: str,
    event_type: str,
    time: datetime | None = None,
    subject: str | None = None,
    sequence: int | None = None,
    traceparent: str | None = None,
) -> list[tuple[str, bytes]]:
    """Headers of a JSON event in CloudEvents 1.0 binary mode; `sequence` is the aggregate's version."""
    moment = (time or datetime.now(UTC)).astimezone(UTC)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()),
        (CONTENT_TYPE, JSON),
    ]
    if subject is not None:
        headers.append(("ce_subject", subject.encode()))
    if sequence is not None:
        headers.append(("ce_sequence", str(sequence).encode()))
    if traceparent is not None:
        headers.append((TRACEPARENT, traceparent.encode()))
    return headers


def cloudevent_attributes(headers: Headers) -> Mapping[str, str]:
    """The `ce_` headers by attribute name; empty when the record is no CloudEvent."""
    return {name[3:]: value.decode("utf-8", "replace") for name, value in headers if name.startswith("ce_")}


@dataclass(frozen=True, slots=True)
class Ack:
    partition: int
    offset: int


class SendFailed(Exception):  # noqa: N818 the field's word
    """The broker did not acknowledge the record; it may have been written all the same.

    SendFailed
    ├── BrokerAway      no broker, or no answer in time: try later
    ├── TopicUnknown    the cluster has no such topic (yet)
    ├── QueueFull       too many records await their acknowledgement: slow down
    └── RecordRefused   too large, not allowed: trying again cannot help
    """


class BrokerAway(SendFailed):
    """No broker, or no answer in time."""


class TopicUnknown(SendFailed):
    """No such topic in the cluster's metadata: declared later, or misspelt."""


class QueueFull(SendFailed):
    """More records await their acknowledgement than the limits allow."""


class RecordRefused(SendFailed):
    """The broker will never take this record: too large, or not allowed."""


Result = Ack | SendFailed
