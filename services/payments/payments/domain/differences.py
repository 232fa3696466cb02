"""What `*.updated` events tell of the object before the change."""

from collections.abc import Mapping
from typing import Any


def previous_attributes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The old values of what changed, down into hashes; None for what was not there, {} when nothing did."""
    previous: dict[str, Any] = {}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = previous_attributes(old, new)
            if inner:
                previous[name] = inner
        elif old != new or (name in before) != (name in after):
            previous[name] = old
    return previous
