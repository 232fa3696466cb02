"""What stands in a form under one name, as a text, a number or a hash; or Stripe's words for why not."""

import re
from typing import Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw

INT64_MAX: Final = 2**63 - 1
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_SHOWN_CHARS: Final = 60


def scalar(raw: Raw, name: str) -> str:
    """A text that is not empty."""
    if not isinstance(raw, str):
        raise InvalidRequest(f"Invalid string: {shown(str(raw))}", name)
    if raw == "":
        raise InvalidRequest(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a"
            f" parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or"
            " supply a non-empty value.",
            name,
            "parameter_invalid_empty",
        )
    return raw


def integer_of(raw: Raw, name: str, least: int, most: int) -> int:
    text = scalar(raw, name)
    if not _INTEGER.fullmatch(text) or abs(number := int(text)) > INT64_MAX:
        raise InvalidRequest(f"Invalid integer: {shown(text)}", name, "parameter_invalid_integer")
    if number < least:
        raise InvalidRequest(
            f"This value must be greater than or equal to {least}.", name, "parameter_invalid_integer"
        )
    if number > most:
        raise InvalidRequest(
            f"This value must be less than or equal to {most} (it currently is '{number}').",
            name,
            "parameter_invalid_integer",
        )
    return number


def hash_of(raw: Raw, name: str) -> dict[str, Raw]:
    if not isinstance(raw, dict):
        raise InvalidRequest("Invalid object", name)
    return raw


def shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
