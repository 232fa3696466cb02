"""Prefixed ids that sort by time, such as `cus_01vQ...`, and the secrets of clients."""

import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS: Final = 22  # of 128 bits
_SECRET_DIGITS: Final = 25
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_PAIRS: Final = [high + low for high in _DIGITS for low in _DIGITS]


def new_id(prefix: str, at: datetime | None = None) -> str:
    """`new_id("cus")`: the prefix, `_` and 22 base62 digits of a UUID version 7 (RFC 9562).

    The digits are in ASCII order, so ids sort by time in a column that is COLLATE "C"; the 12 bits beside the
    millisecond are its fraction, so they also do within one. `at` is when the object was made: its id
    then bounds pages in time.
    """
    ns = time.time_ns() if at is None else (at - _EPOCH) // _MICROSECOND * 1_000
    ms, rest = divmod(ns, 1_000_000)
    value = (ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (rest << 12) // 1_000_000 << 64 | 0b10 << 62 | random.getrandbits(62)
    return f"{prefix}_{_base62(value, _ID_DIGITS)}"


def first_id(prefix: str, at: datetime) -> str:
    """At most every id that `new_id(prefix, at)` gives then or later, above all of earlier milliseconds."""
    return f"{prefix}_{_base62((at - _EPOCH) // _MILLISECOND << 80, _ID_DIGITS)}"


def new_secret() -> str:
    """25 base62 digits, 148 random bits: the end of a client secret or of a signing secret."""
    return _base62(secrets.randbits(_SECRET_DIGITS * 6 - 2), _SECRET_DIGITS)


def _base62(value: int, digits: int) -> str:
    """Zero-padded to `digits`."""
    parts = []
    for _ in range((digits + 1) // 2):
        value, pair = divmod(value, 3844)
        parts.append(_PAIRS[pair])
    return "".join(reversed(parts))[-digits:]
