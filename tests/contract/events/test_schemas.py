"""The schemas of events are sound, and change only so that readers of both versions understand both."""

import json
import os
from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest

from tests.support import event_schemas
from tests.support.event_schemas import Schema, breaks

# What was published last: an incompatible change is a new type, with a new number at the end of its name.
PUBLISHED = Path(__file__).with_name("published")
NAMES = event_schemas.names()


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_sound_and_named_after_its_type(name: str) -> None:
    schema = event_schemas.schema_of(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == name
    assert schema["$id"] == f"urn:signalbox:event:{name}"
    assert schema["description"]
    assert set(schema["required"]) <= schema["properties"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_shows_events_that_keep_to_it(name: str) -> None:
    examples = event_schemas.schema_of(name)["examples"]
    assert examples
    for example in examples:
        event_schemas.check(name, example)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_published_can_be_read_by_readers_of_the_version_before(name: str) -> None:
    """`UPDATE_SNAPSHOTS=1` publishes a change, if it is compatible."""
    published, schema = PUBLISHED / f"{name}.json", event_schemas.schema_of(name)
    if published.exists():
        assert list(breaks(json.loads(published.read_text()), schema)) == []
    if os.environ.get("UPDATE_SNAPSHOTS"):
        published.write_text((event_schemas.FOLDER / published.name).read_text())
    assert published.exists(), "publish it with UPDATE_SNAPSHOTS=1"
    assert json.loads(published.read_text()) == schema, "publish it with UPDATE_SNAPSHOTS=1"


def test_no_type_that_was_published_is_gone() -> None:
    assert sorted(path.stem for path in PUBLISHED.glob("*.json")) == NAMES


BASE: Schema = {
    "type": "object",
    "required": ["id", "state", "lines"],
    "properties": {
        "id": {"type": "string", "pattern": "^x_"},
        "state": {"const": "new"},
        "size": {"type": "integer", "minimum": 1},
        "note": {"type": ["string", "null"]},
        "lines": {
            "type": "array",
            "items": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}},
        },
    },
}


def changed(path: str, value: object) -> Schema:
    """BASE with the value at the path; None takes away what is there."""
    schema: Schema = deepcopy(BASE)
    *way, last = path.split("/")
    place = schema
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return schema


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/more", {"type": "string"}),
        ("properties/note", None),
        ("properties/lines/items/properties/more", {"type": "integer"}),
        ("description", "other words"),
        ("properties/id/description", "other words"),
        ("properties/id/examples", ["x_1"]),
    ],
)
def test_what_readers_do_not_rely_on_may_change(path: str, value: object) -> None:
    assert list(breaks(BASE, changed(path, value))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("required", ["id", "lines"]),
        ("required", ["id", "state", "lines", "size"]),
        ("properties/id", {"type": "integer"}),
        ("properties/id/type", ["string", "null"]),
        ("properties/id/pattern", "^y_"),
        ("properties/id/pattern", None),
        ("properties/state", {"const": "newer"}),
        ("properties/state", {"type": "string"}),
        ("properties/state", {"enum": ["new", "newer"]}),
        ("properties/size/minimum", 0),
        ("properties/size/maximum", 10),
        ("properties/note/type", "string"),
        ("properties/lines/minItems", 1),
        ("properties/lines/items/required", []),
        ("properties/lines/items/properties/sku/type", "integer"),
        ("additionalProperties", False),
    ],
)
def test_what_readers_rely_on_may_not(path: str, value: object) -> None:
    assert list(breaks(BASE, changed(path, value)))
