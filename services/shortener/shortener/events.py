"""The click events: CloudEvents in Kafka's binary mode, their schema in docs/reference/events."""

from collections.abc import Sequence
from typing import Final

import msgspec
from chassis.ids import uuid7
from chassis.kafka import Record, cloudevent_headers

SOURCE: Final = "/shortener"
CLICKS_RECORDED: Final = "shortener.clicks-recorded.v1"


class Click(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One redirect; `at` is in Unix milliseconds, `visitor` is good for one UTC day and null for bots."""

    link_id: str
    tenant_id: str
    at: int
    browser: str = "other"
    device: str = "desktop"
    bot: bool = False
    referrer: str | None = None
    country: str | None = None
    visitor: str | None = None
    rule: int | None = None


class ClicksRecorded(msgspec.Struct, frozen=True):
    clicks: list[Click]


_encode = msgspec.json.Encoder().encode
_decode_clicks = msgspec.json.Decoder(ClicksRecorded).decode


def clicks_recorded(bucket: int, clicks: Sequence[Click]) -> Record:
    """One flush of one bucket as a record; its id makes a repeated send harmless."""
    return Record(
        topic=CLICKS_RECORDED,
        key=str(bucket).encode(),
        value=_encode(ClicksRecorded(list(clicks))),
        headers=cloudevent_headers(event_id=str(uuid7()), source=SOURCE, event_type=CLICKS_RECORDED),
    )


def parse_clicks(value: bytes) -> list[Click]:
    """Give the clicks of a record; msgspec.DecodeError when it is none."""
    return _decode_clicks(value).clicks
