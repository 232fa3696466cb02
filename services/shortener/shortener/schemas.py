"""What clients send and get: the JSON of links, bulks, reports and statistics."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import weburls
from chassis.problems import Text
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    StringConstraints,
)
from pydantic import model_validator as model_check
from pydantic.json_schema import WithJsonSchema

from shortener.domain import slugs
from shortener.domain.links import State
from shortener.domain.rules import Day, Device

TAGS_MAX: Final = 20
RULES_MAX: Final = 20
ARMS_MAX: Final = 10
WEIGHT_MAX: Final = 10_000
VISITS_MAX: Final = 2**31 - 1

_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)


def _instant(raw: Any) -> datetime:
    if not isinstance(raw, str) or _RFC3339.match(raw) is None:
        raise ValueError("must be an RFC 3339 date-time with an offset, such as 2030-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be an existing date and time") from None


def _tag(raw: str) -> str:
    text = unicodedata.normalize("NFC", raw)
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text


def _zone(raw: str) -> str:
    try:
        ZoneInfo(raw)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("must be the name of a time zone") from None
    return raw


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}),
]
"""Sent as RFC 3339 with an offset, held in UTC."""

Moment = Annotated[
    datetime,
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Url = Annotated[Text, StringConstraints(min_length=1, max_length=weburls.LENGTH_MAX)]
SlugText = Annotated[Text, StringConstraints(min_length=slugs.LENGTH_MIN, max_length=slugs.LENGTH_MAX)]
Tag = Annotated[Text, StringConstraints(min_length=1, max_length=50), AfterValidator(_tag)]
Tags = Annotated[
    list[Tag], Field(max_length=TAGS_MAX), AfterValidator(lambda tags: list(dict.fromkeys(tags)))
]
Title = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
Status = Literal[301, 302, 307, 308]
Visits = Annotated[StrictInt, Field(ge=1, le=VISITS_MAX)]
UtmValue = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Language = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$", to_lower=True)
]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Model(BaseModel):
    """A request body: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeWindowIn(Model):
    """Local hours, `from` inclusive and `to` exclusive; `from` after `to` runs over midnight."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    from_: Clock = Field(alias="from", examples=["09:00"])
    to: Clock = Field(examples=["18:00"])
    tz: Annotated[Text, StringConstraints(max_length=64), AfterValidator(_zone)] = "UTC"
    days: Annotated[list[Day], Field(min_length=1, max_length=7)] | None = None

    @model_check(mode="after")
    def _not_empty(self) -> Self:
        if self.from_ == self.to:
            raise ValueError("`from` and `to` must differ")
        return self


class ConditionIn(Model):
    """Every condition that is named must hold; a single value is short for a list of one."""

    device: Annotated[list[Device], Field(min_length=1, max_length=4)] | Device | None = None
    language: Annotated[list[Language], Field(min_length=1, max_length=20)] | Language | None = None
    country: Annotated[list[Country], Field(min_length=1, max_length=50)] | Country | None = None
    time: TimeWindowIn | None = None


class ArmIn(Model):
    url: Url
    weight: Annotated[StrictInt, Field(ge=0, le=WEIGHT_MAX)]


class RuleIn(Model):
    """The first rule whose conditions hold decides: for one target, or by weight between several."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    if_: ConditionIn = Field(default_factory=ConditionIn, alias="if")
    url: Url | None = None
    split: Annotated[list[ArmIn], Field(min_length=2, max_length=ARMS_MAX)] | None = None

    @model_check(mode="after")
    def _one_outcome(self) -> Self:
        if (self.url is None) == (self.split is None):
            raise ValueError("a rule has either `url` or `split`")
        if self.split is not None and not any(arm.weight for arm in self.split):
            raise ValueError("one of the weights must be above 0")
        return self


class Utm(Model):
    """Campaign parameters that the redirect adds to the target's query."""

    source: UtmValue | None = None
    medium: UtmValue | None = None
    campaign: UtmValue | None = None
    term: UtmValue | None = None
    content: UtmValue | None = None


class LinkCreate(Model):
    """A link to create; without a slug it gets a generated code of seven characters."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"url": "https://example.com/spring?ref=mail"},
                {
                    "url": "https://example.com/spring",
                    "slug": "spring-sale",
                    "until": "2030-06-01T00:00:00Z",
                    "max_visits": 1000,
                    "tags": ["mail", "spring"],
                    "status": 307,
                    "rules": [{"if": {"device": "mobile"}, "url": "https://m.example.com/spring"}],
                    "utm": {"source": "newsletter", "medium": "mail"},
                },
            ],
        },
    )

    url: Url
    slug: SlugText | None = None
    since: Instant | None = None
    until: Instant | None = None
    max_visits: Visits | None = None
    tags: Tags | None = None
    status: Status | None = None
    rules: Annotated[list[RuleIn], Field(max_length=RULES_MAX)] | None = None
    utm: Utm | None = None
    title: Title | None = None


class LinkPatch(Model):
    """A change: what is absent stays, null takes the default. The slug of a link never changes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/summer", "until": None}]},
    )

    url: Url = ""
    since: Instant | None = None
    until: Instant | None = None
    max_visits: Visits | None = None
    tags: Tags | None = None
    status: Status | None = None
    rules: Annotated[list[RuleIn], Field(max_length=RULES_MAX)] | None = None
    utm: Utm | None = None
    title: Title | None = None


class LinkOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
                    "slug": "spring-sale",
                    "short_url": "http://127.0.0.1:8010/spring-sale",
                    "url": "https://example.com/spring",
                    "status": 302,
                    "since": None,
                    "until": "2030-06-01T00:00:00Z",
                    "max_visits": 1000,
                    "visits_used": 0,
                    "tags": ["mail", "spring"],
                    "rules": None,
                    "utm": {"source": "newsletter", "medium": "mail"},
                    "title": None,
                    "state": "active",
                    "state_reason": None,
                    "version": 1,
                    "created_at": "2030-05-01T09:30:00Z",
                    "updated_at": "2030-05-01T09:30:00Z",
                },
            ],
        },
    )

    id: UUID
    slug: str
    short_url: str
    url: str
    status: Status
    since: Moment | None
    until: Moment | None
    max_visits: int | None
    visits_used: int
    tags: list[str]
    rules: list[dict[str, Any]] | None
    utm: dict[str, str] | None
    title: str | None
    state: State
    state_reason: str | None
    version: int
    created_at: Moment
    updated_at: Moment


class LinkPage(BaseModel):
    items: list[LinkOut]
    next_cursor: str | None = Field(
        description="Send it as `cursor` for the next page; null on the last one."
    )


class BulkIn(Model):
    """Rows are judged one by one: see `mode`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mode": "each",
                    "links": [{"url": "https://example.com/a"}, {"url": "https://example.com/b"}],
                },
            ],
        },
    )

    mode: Literal["atomic", "each"] = Field(
        description="`atomic`: all rows or none; `each`: those that can be created."
    )
    links: list[LinkCreate] = Field(min_length=1, max_length=10_000)


class BulkRow(BaseModel):
    """Has `link` when the row was created, else `problem`."""

    index: int
    link: LinkOut | None = None
    problem: dict[str, Any] | None = None


class BulkOut(BaseModel):
    items: list[BulkRow]


class DisableIn(Model):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "campaign is over"}]})

    reason: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None


class TakedownIn(Model):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "phishing"}]})

    reason: Annotated[Text, StringConstraints(min_length=1, max_length=200)]


class ReportIn(Model):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"slug": "spring-sale", "reason": "phishing", "comment": "It asks for cards."}]
        },
    )

    slug: Annotated[Text, StringConstraints(min_length=1, max_length=slugs.LENGTH_MAX)]
    reason: Literal["malware", "phishing", "spam", "illegal", "other"]
    comment: Annotated[Text, StringConstraints(min_length=1, max_length=2_000)] | None = None
    contact: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None


class ReportReceipt(BaseModel):
    id: UUID
    slug: str
    state: str
    created_at: Moment


class ReportOut(BaseModel):
    id: UUID
    link_id: UUID
    slug: str
    reason: str
    comment: str | None
    contact: str | None
    state: Literal["open", "dismissed", "upheld"]
    resolution: str | None
    created_at: Moment
    resolved_at: Moment | None


class ReportPage(BaseModel):
    items: list[ReportOut]
    next_cursor: str | None


class ResolveReportIn(Model):
    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "takedown", "note": "confirmed"}]})

    decision: Literal["dismiss", "takedown"]
    note: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = None


class QuotaOut(BaseModel):
    month: str = Field(examples=["2030-05"])
    limit: int
    used: int
    remaining: int


class DryRunIn(Model):
    """A visitor made up; what is absent is a person at a desktop, now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"device": "mobile", "language": "de-CH,de;q=0.9", "time": "2030-05-01T09:00:00Z"}],
        },
    )

    device: Device = "desktop"
    language: Annotated[Text, StringConstraints(max_length=200)] | None = Field(
        default=None, description="As in Accept-Language."
    )
    country: Country | None = None
    time: Instant | None = None
    visitor: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Any name: the same one always falls on the same side of a split."
    )


class DryRunOut(BaseModel):
    status: int = Field(description="What GET /{slug} would answer.")
    url: str | None
    rule: int | None = Field(description="The index of the rule that decided.")
    reason: str


class ClickPoint(BaseModel):
    at: Moment = Field(description="Where the hour or day begins, UTC; steps without clicks are left out.")
    clicks: int
    bot_clicks: int


class ClickValue(BaseModel):
    value: str
    clicks: int


class LinkStatsOut(BaseModel):
    since: Moment
    until: Moment
    clicks: int
    bot_clicks: int
    unique_visitors: int
    series: list[ClickPoint]
    referrers: list[ClickValue]
    countries: list[ClickValue]
    browsers: list[ClickValue]
    devices: list[ClickValue]
    rules: list[ClickValue] = Field(description="By the index of the rule that decided.")


class LinkClicks(BaseModel):
    link_id: UUID
    slug: str
    clicks: int
    bot_clicks: int
    unique_visitors: int


class TenantStatsOut(BaseModel):
    since: Moment
    until: Moment
    clicks: int
    bot_clicks: int
    series: list[ClickPoint]
    links: list[LinkClicks]
