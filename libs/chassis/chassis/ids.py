"""Identifiers that sort by time: UUID version 7 (RFC 9562), for Pythons whose library has none."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """48 bits of milliseconds, then 74 random bits."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (stamp & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= ((random >> 62) & 0xFFF) << 64
    value |= 0b10 << 62
    value |= random & ((1 << 62) - 1)
    return uuid.UUID(int=value)
