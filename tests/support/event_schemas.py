"""The published schemas of events, and whether one can take the place of another."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema

from infra.local.paths import ROOT

FOLDER = ROOT / "docs/reference/events"
Schema = dict[str, Any]

# Bounds stay as they are: looser ones break readers of new events, tighter ones those of old events.
_BOUNDS = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "additionalProperties",
)
_NOTHING = object()


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def schema_of(event_type: str) -> Schema:
    return dict(json.loads((FOLDER / f"{event_type}.json").read_text()))


def check(event_type: str, data: Any) -> None:
    """Raises jsonschema's ValidationError unless the data is an event of that type."""
    schema = schema_of(event_type)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(data)


def breaks(old: Schema, new: Schema, at: str = "") -> Iterator[str]:
    """What keeps readers of the one from reading events of the other; nothing when both can.

    A topic holds events of both for a week, and readers are deployed before and after writers: so the types
    of a field, what it must be and whether it is always there stay, and only optional fields come and go.
    """
    kinds = _types(old), _types(new)
    if kinds[0] != kinds[1]:
        yield f"{at or '/'}: type {_told(kinds[0])} became {_told(kinds[1])}"
        return
    for name in _BOUNDS:
        before, after = old.get(name, _NOTHING), new.get(name, _NOTHING)
        if before != after:
            yield f"{at or '/'}: {name} {_shown(before)} became {_shown(after)}"
    yield from _required(old, new, at)
    for name, schema in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            yield from breaks(schema, new["properties"][name], f"{at}/{name}")
    if "items" in old and "items" in new:
        yield from breaks(old["items"], new["items"], f"{at}/*")


def _required(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before - after):
        yield f"{at}/{name}: readers rely on it, and it may be missing"
    for name in sorted(after - before):
        yield f"{at}/{name}: readers may rely on it, and events of before lack it"


def _types(schema: Schema) -> frozenset[str]:
    """JSON types, or the values themselves where only those may stand."""
    if "const" in schema:
        return frozenset({json.dumps(schema["const"])})
    if "enum" in schema:
        return frozenset(json.dumps(value) for value in schema["enum"])
    kinds = schema.get("type", ())
    return frozenset({kinds} if isinstance(kinds, str) else kinds)


def _told(kinds: frozenset[str]) -> str:
    return "|".join(sorted(kinds)) or "anything"


def _shown(value: object) -> str:
    return "absent" if value is _NOTHING else json.dumps(value)
