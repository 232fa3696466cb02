"""Text bodies line by line, without a copy of the whole, and numbers as text has them."""

import re
from collections.abc import Iterator

# Thirty labels of two kilobytes fit, and little that means harm.
LINE_BYTES_MAX = 2**17

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}\Z")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?\Z")
_NUMBER_CHARS_MAX = 400


def lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Number (the first line is 1) and content without its end, empty lines left out."""
    number = pos = 0
    while pos < len(body):
        number += 1
        end = body.find(b"\n", pos)
        end = len(body) if end < 0 else end
        stop = end - 1 if end > pos and body[end - 1] == 0x0D else end  # noqa: PLR2004 a carriage return
        if stop > pos:
            yield number, body[pos:stop]
        pos = end + 1


def integer(text: str) -> int | None:
    return int(text) if _INTEGER.match(text) else None


def finite(text: str) -> float | None:
    """A decimal number that a double can hold; neither names of infinities nor what overflows into one."""
    if len(text) > _NUMBER_CHARS_MAX or not _FLOAT.match(text):
        return None
    number = float(text)
    return None if number in {float("inf"), float("-inf")} else number
