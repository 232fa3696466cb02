"""Dead letters as the index keeps them: what a record of a DLQ topic says, and what may be done to it."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

from chassis.dlq import PREFIX
from chassis.records import Message, Origin
from chassis.telemetry import parse_traceparent

UNKNOWN: Final = "unknown"
NAME_CHARACTERS_MAX: Final = 255
TEXT_CHARACTERS_MAX: Final = 2_000
INT_MAX: Final = 2**31 - 1
BIGINT_MAX: Final = 2**63 - 1


class State(StrEnum):
    DEAD = "dead"
    REDRIVEN = "redriven"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


class Kind(StrEnum):
    """What a run does to the letters that it takes."""

    REDRIVE = "redrive"
    DISCARD = "discard"

    @property
    def leads_to(self) -> State:
        return State.REDRIVEN if self is Kind.REDRIVE else State.DISCARDED

    def takes(self, wanted: State | None) -> State | None:
        """The state that letters must have when the filter names `wanted`; None: there can be none.

        What was redriven and is still on its way is discarded only by name.
        """
        takeable = (State.DEAD,) if self is Kind.REDRIVE else (State.DEAD, State.REDRIVEN)
        state = wanted or State.DEAD
        return state if state in takeable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One record of a DLQ topic: who gave up which message, and why; `place` is the record's own."""

    group: str
    origin: Origin
    place: Origin
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    event_type: str | None
    reason: str
    error_class: str
    error: str
    attempts: int
    redrives: int
    trace_id: str | None
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A group applied what was redriven to it for the `redrives`-th time."""

    group: str
    origin: Origin
    redrives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters; what is None does not matter. `since` is included, `until` is not."""

    id: UUID | None = None
    group: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: str | None = None
    event_type: str | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: State | None = None

    def named(self) -> dict[str, Any]:
        """The names that matter, for the run's row and for a cursor."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A row of the index without the message itself."""

    id: UUID
    ordinal: int
    group: str
    origin: Origin
    key: bytes | None
    event_type: str | None
    reason: str
    error_class: str
    error: str
    attempts: int
    redrives: int
    trace_id: str | None
    failed_at: datetime
    state: State
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    action: str
    redrives: int
    actor: str
    run_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A letter with the message and its history."""

    letter: Letter
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    place: Origin
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody wants done: `rate` in letters a second, `letters_max` of them at most."""

    kind: Kind
    filter: Filter
    rate: float
    letters_max: int
    actor: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`matched` letters fitted when it began; it is over after `planned` of them, or when none is left."""

    id: UUID
    order: Order
    matched: int
    done: int
    ordinal: int
    ordinal_max: int
    state: Literal["running", "done", "stopped"]
    fencing: int
    created_at: datetime
    finished_at: datetime | None = field(default=None)

    @property
    def planned(self) -> int:
        return min(self.matched, self.order.letters_max)

    @property
    def is_over(self) -> bool:
        return self.state != "running"


def death_of(message: Message) -> Death:
    """Whatever the record is: what its headers do not tell is taken from its own place in the DLQ."""
    told = {
        name.removeprefix(PREFIX): _text(value) for name, value in message.headers if name.startswith(PREFIX)
    }
    traced = parse_traceparent(message.header("traceparent") or b"")
    place = Origin(message.topic, message.partition, message.offset)
    return Death(
        group=_short(told.get("group") or UNKNOWN),
        origin=_origin(told) or place,
        place=place,
        key=message.key,
        value=message.value,
        headers=tuple((_clean(name), value or b"") for name, value in message.headers),
        event_type=_name(message.header("ce_type")),
        reason=_short(told.get("reason", UNKNOWN)),
        error_class=_short(told.get("error-class", UNKNOWN)),
        error=told.get("error", "")[:TEXT_CHARACTERS_MAX],
        attempts=_number(told.get("attempts"), most=INT_MAX) or 0,
        redrives=_number(told.get("redrives"), most=INT_MAX) or 0,
        trace_id=f"{traced.trace_id:032x}" if traced is not None else None,
        failed_at=_moment(told.get("failed-at"), message.timestamp_ms),
    )


def _origin(told: dict[str, str]) -> Origin | None:
    topic = told.get("topic")
    partition = _number(told.get("partition"), most=INT_MAX)
    offset = _number(told.get("offset"), most=BIGINT_MAX)
    if not topic or partition is None or offset is None:
        return None
    return Origin(_short(topic), partition, offset)


def _text(value: bytes | None) -> str:
    return _clean((value or b"").decode("utf-8", "replace"))


def _clean(text: str) -> str:
    """Without NUL, which no text of the database can hold."""
    return text.replace("\x00", "\ufffd")


def _short(text: str) -> str:
    return text[:NAME_CHARACTERS_MAX]


def _name(value: bytes | None) -> str | None:
    return None if value is None else _short(_text(value))


def _number(text: str | None, *, most: int) -> int | None:
    """A count in plain digits, else None."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None


def _moment(text: str | None, timestamp_ms: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _moment_of(timestamp_ms)


def _moment_of(timestamp_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
