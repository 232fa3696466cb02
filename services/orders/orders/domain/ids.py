"""Order ids that sort by time, such as `ord_01vQ...`."""

import re
import secrets
import time
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_WIDTH: Final = 22  # digits of 128 bits
_ID: Final = re.compile(r"ord_[0-9A-Za-z]{22}\Z", re.ASCII)


def new_order_id() -> str:
    """`ord_` and 22 base62 digits of a UUID version 7 (RFC 9562).

    The digits are in ASCII order, so ids sort by time in a column that is COLLATE "C"; the 12 bits beside the
    millisecond are its fraction, so they also do within one (ADR-0025).
    """
    ms, rest = divmod(time.time_ns(), 1_000_000)
    value = ms << 80 | 0x7 << 76 | (rest << 12) // 1_000_000 << 64 | 0b10 << 62 | secrets.randbits(62)
    digits = []
    for _ in range(_WIDTH):
        value, digit = divmod(value, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "ord_" + "".join(reversed(digits))


def is_order_id(text: str) -> bool:
    return _ID.match(text) is not None
