"""The clicks event as sent matches its published schema, and as read tolerates what is added."""

import json
from pathlib import Path
from typing import Any

import pytest
from chassis.records import cloudevent_attributes
from jsonschema import Draft202012Validator, ValidationError
from shortener.events import CLICKS_RECORDED, Click, clicks_recorded, parse_clicks

SCHEMA = json.loads(Path("docs/reference/events/shortener.clicks-recorded.v1.json").read_text())
LINK_ID = "01938c5e-0000-7000-8000-000000000001"
FULL = Click(
    link_id=LINK_ID, tenant_id="demo", at=1_795_000_000_000, browser="chrome", device="mobile", bot=False,
    referrer="news.example.com", country="DE", visitor="00ff" * 4, rule=0,
)  # fmt: skip
LEAST = Click(link_id=LINK_ID, tenant_id="demo", at=0)


def check(document: Any) -> None:
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)


def test_what_is_sent_is_a_cloudevent_that_matches_the_schema() -> None:
    record = clicks_recorded(4, [FULL, LEAST])
    assert (record.topic, record.key) == (CLICKS_RECORDED, b"4")
    attributes = cloudevent_attributes(record.headers)
    assert attributes["type"] == CLICKS_RECORDED
    assert attributes["source"] == "/shortener"
    assert record.value is not None
    check(json.loads(record.value))


def test_the_schema_refuses_what_readers_could_not_use() -> None:
    documents: list[dict[str, Any]] = [{}, {"clicks": []}, {"clicks": [{"link_id": LINK_ID, "at": 0}]}]
    for broken in documents:
        with pytest.raises(ValidationError):
            check(broken)


def test_a_reader_ignores_members_that_a_later_version_adds() -> None:
    value = json.dumps({"clicks": [{"link_id": LINK_ID, "tenant_id": "demo", "at": 0, "os": "x"}], "more": 1})
    assert parse_clicks(value.encode()) == [LEAST]
