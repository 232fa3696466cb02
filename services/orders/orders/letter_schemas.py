"""What operators send and get about dead letters, runs and faults."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from chassis.problems import Text
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from orders.domain import letters
from orders.domain.letters import BIGINT_MAX, INT_MAX, NAME_CHARACTERS_MAX, Kind, State
from orders.schemas import Model, Moment

RATE_MAX: Final = 10_000.0
LETTERS_MAX: Final = 1_000_000
KEY_CHARACTERS_MAX: Final = 4_096
FAULT_COUNT_MAX: Final = 1_000_000

_DATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# A plus sign that stood bare in a URL arrives as a space.
_BARE_PLUS: Final = re.compile(r"(\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)\Z", re.ASCII)


def _spelt(raw: Any) -> Any:
    """Seconds since 1970 are a moment to pydantic, and a slip to everybody else."""
    if isinstance(raw, str) and _DATED.match(raw):
        return _BARE_PLUS.sub(r"\1+\2", raw)
    if isinstance(raw, datetime):
        return raw
    raise ValueError("must be a moment such as 2030-01-31T12:00:00Z")


def _number(raw: Any) -> Any:
    if isinstance(raw, bool):
        raise ValueError("must be a number")  # noqa: TRY004 pydantic's way to refuse
    return raw


def _utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be a moment between the years 1 and 9999") from None


Name = Annotated[Text, StringConstraints(max_length=NAME_CHARACTERS_MAX)]
Key = Annotated[Text, StringConstraints(max_length=KEY_CHARACTERS_MAX)]
Since = Annotated[datetime, BeforeValidator(_spelt), AfterValidator(_utc)]


class FilterIn(Model):
    """Which letters: all names must fit, and what is not named does not matter."""

    id: UUID | None = Field(default=None, description="One letter.")
    group: Name | None = Field(default=None, description="The consumer group that gave the message up.")
    topic: Name | None = Field(default=None, description="Where the message stood first.")
    partition: Annotated[int, Field(ge=0, le=INT_MAX), BeforeValidator(_number)] | None = None
    offset: Annotated[int, Field(ge=0, le=BIGINT_MAX), BeforeValidator(_number)] | None = None
    key: Key | None = Field(default=None, description="The message's key, as UTF-8 text.")
    event_type: Name | None = Field(default=None, examples=["orders.order-placed.v1"])
    error_class: Name | None = Field(default=None, examples=["Poison"])
    since: Since | None = Field(default=None, description="Failed then or later. Without an offset: UTC.")
    until: Since | None = Field(default=None, description="Failed before.")
    state: State | None = None

    def wanted(self) -> letters.Filter:
        names = FilterIn.model_fields
        return letters.Filter(**{name: getattr(self, name) for name in names})


class RunIn(Model):
    """What is to be done. A letter must be `dead`; one that was redriven can be discarded by its state."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"filter": {"group": "inventory", "error_class": "InjectedPermanent"}, "dry_run": True},
                {"filter": {"group": "inventory", "since": "2030-01-31T12:00:00Z"}, "rate": 50, "max": 1000},
            ],
        },
    )

    filter: FilterIn = Field(default=FilterIn(), description="Empty: all that are dead.")
    dry_run: StrictBool = Field(default=False, description="Only count.")
    rate: Annotated[FiniteFloat, Field(gt=0, le=RATE_MAX)] | None = Field(
        default=None, description="Letters a second, evenly spread."
    )
    max: Annotated[StrictInt, Field(ge=1, le=LETTERS_MAX)] | None = Field(
        default=None, description="Letters at most, the oldest first."
    )


class LetterOut(BaseModel):
    id: UUID
    group: str
    topic: str
    partition: int
    offset: int
    key: str | None = Field(description="As text; bytes that are no UTF-8 are replaced.")
    event_type: str | None
    reason: str = Field(description="permanent, poison or exhausted.")
    error_class: str
    error: str
    attempts: int = Field(description="Since it was last redriven.")
    redrives: int
    trace_id: str | None
    failed_at: Moment
    state: State
    updated_at: Moment


class LetterPage(BaseModel):
    items: list[LetterOut]
    next_cursor: str | None


class PlaceOut(BaseModel):
    topic: str
    partition: int
    offset: int


class HeaderOut(BaseModel):
    name: str
    value_base64: str


class ActionOut(BaseModel):
    action: Literal["died", "redriven", "resolved", "discarded"]
    redrives: int
    actor: str
    run_id: UUID | None
    at: Moment


class WholeLetterOut(LetterOut):
    headers: dict[str, str] = Field(description="As text; the last one of each name.")
    headers_base64: list[HeaderOut] = Field(description="As they are, in order.")
    value_base64: str | None
    decoded: Any = Field(description="The value as JSON; null when it is none.")
    dead_letter: PlaceOut = Field(description="Where the record of its last death stands.")
    actions: list[ActionOut] = Field(description="What happened to it, oldest first.")


class RunOut(BaseModel):
    run_id: UUID
    matched: int = Field(description="Letters that fitted when the run began.")
    done: int = Field(description="Letters dealt with so far.")
    kind: Kind
    dry_run: bool
    rate: float
    max: int
    state: Literal["running", "done", "stopped"]
    created_at: Moment
    finished_at: Moment | None


class FaultIn(Model):
    """What is to fail. Transient failures pass by themselves; permanent ones make dead letters."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "group": "inventory",
                    "event_type": "orders.stock-reservation-requested.v1",
                    "error": "transient",
                    "count": 3,
                },
                {"group": "notifications", "error": "permanent"},
            ],
        },
    )

    group: Name
    error: Literal["transient", "permanent"]
    event_type: Name | None = Field(default=None, description="All types when absent.")
    key: Key | None = Field(default=None, description="All keys when absent.")
    count: Annotated[StrictInt, Field(ge=1, le=FAULT_COUNT_MAX)] | None = Field(
        default=None, description="Attempts (transient) or messages (permanent); no end when absent."
    )


class FaultOut(BaseModel):
    id: str
    group: str
    error: Literal["transient", "permanent"]
    event_type: str | None
    key: str | None
    count: int | None


class FaultList(BaseModel):
    items: list[FaultOut]


class FaultsCleared(BaseModel):
    cleared: int
