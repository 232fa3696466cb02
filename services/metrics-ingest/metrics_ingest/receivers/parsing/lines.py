"""Text bodies line by line, without a copy of the whole, and numbers as text has them."""

import re
from collections.abc import Iterator

from metrics_ingest.domain.bodies import TooManyParts

# Thirty labels of two kilobytes fit, and little that means harm.
LINE_BYTES_MAX = 2**17
# Some seconds of work; lines of nothing would be millions in a body that is not large.
LINES_MAX = 500_000
BLANKS = b" \t\r"

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}\Z")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?\Z")
_NUMBER_CHARS_MAX = 400


def check(body: bytes) -> None:
    """Raises `TooManyParts`."""
    if body.count(b"\n") > LINES_MAX:
        raise TooManyParts(LINES_MAX, "lines")


def lines(body: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Number (the first line is 1) and content; empty lines are left out, too long ones are None.

    Raises `TooManyParts` before the first.
    """
    check(body)
    number = pos = 0
    while pos < len(body):
        number += 1
        end = body.find(b"\n", pos)
        end = len(body) if end < 0 else end
        if end - pos > LINE_BYTES_MAX:
            yield number, None
        elif line := body[pos:end].strip(BLANKS):
            yield number, line
        pos = end + 1


def integer(text: str) -> int | None:
    return int(text) if _INTEGER.match(text) else None


def finite(text: str) -> float | None:
    """A decimal number that a double can hold; neither names of infinities nor what overflows into one."""
    if len(text) > _NUMBER_CHARS_MAX or not _FLOAT.match(text):
        return None
    number = float(text)
    return None if number in {float("inf"), float("-inf")} else number
