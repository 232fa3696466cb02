"""Order ids that sort by time, such as `ord_01vQ...`."""

import re
from typing import Final

from chassis.ids import uuid7

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_WIDTH: Final = 22  # digits of 128 bits
_ID: Final = re.compile(r"ord_[0-9A-Za-z]{22}\Z", re.ASCII)


def new_order_id() -> str:
    """`ord_` and the 22 base62 digits of a UUID version 7.

    The digits are in ASCII order, so ids sort by time in a column that is COLLATE "C" (ADR-0025).
    """
    value, digits = uuid7().int, []
    for _ in range(_WIDTH):
        value, digit = divmod(value, 62)
        digits.append(_DIGITS[digit])
    return "ord_" + "".join(reversed(digits))


def is_order_id(text: str) -> bool:
    return _ID.match(text) is not None
