"""Metadata: a few keys of the caller's own on every object, merged key by key."""

from collections.abc import Mapping
from typing import Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw
from payments.dialect.shapes import shown

METADATA_KEYS_MAX: Final = 50
METADATA_KEY_CHARS_MAX: Final = 40
METADATA_VALUE_CHARS_MAX: Final = 500


def checked_value(key: str, value: Raw, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest("Metadata values must be strings; hashes and arrays are not taken.", name)
    if len(key) > METADATA_KEY_CHARS_MAX:
        raise InvalidRequest(
            f"Metadata keys can have up to {METADATA_KEY_CHARS_MAX} characters, but you passed a key that is"
            f" {len(key)} characters. Invalid key: {shown(key)}",
            name,
        )
    if len(value) > METADATA_VALUE_CHARS_MAX:
        raise InvalidRequest(
            f"Metadata values can have up to {METADATA_VALUE_CHARS_MAX} characters, but you passed in a value"
            f" that is {len(value)} characters. Invalid value: {shown(value)}",
            name,
        )
    return value


def merged_metadata(current: Mapping[str, str], change: Mapping[str, str] | None) -> dict[str, str]:
    """What an object has after an update: keys are set one by one, '' unsets one, None unsets all.

    Raises InvalidRequest when that is more than 50 keys.
    """
    if change is None:
        return {}
    merged = {**current, **change}
    merged = {key: value for key, value in merged.items() if value != ""}
    if len(merged) > METADATA_KEYS_MAX:
        raise too_much_metadata("metadata")
    return merged


def too_much_metadata(name: str) -> InvalidRequest:
    return InvalidRequest(f"Metadata can have up to {METADATA_KEYS_MAX} keys.", name)
