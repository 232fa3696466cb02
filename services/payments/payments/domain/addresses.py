"""Addresses, shown with every field."""

from collections.abc import Mapping
from typing import Final

ADDRESS_FIELDS: Final = ("city", "country", "line1", "line2", "postal_code", "state")


def address(fields: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Every field, None where it is not known."""
    return {name: (fields or {}).get(name) for name in ADDRESS_FIELDS}
