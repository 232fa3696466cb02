"""Time-ordered ids (UUID version 7, RFC 9562): the primary key of links, and the order of a list."""

import secrets
from typing import Final
from uuid import UUID

_PER_MS: Final = 1 << 12


def new_ids(unix_ms: int, count: int) -> list[UUID]:
    """Ids in ascending order, so that a batch is listed as it was sent.

    The 12 bits beside the millisecond count within it, from a random start; what runs over borrows the next.
    """
    start = secrets.randbelow(_PER_MS - min(count, _PER_MS) + 1)
    return [_uuid7(unix_ms + (start + index) // _PER_MS, (start + index) % _PER_MS) for index in range(count)]


def new_id(unix_ms: int) -> UUID:
    return new_ids(unix_ms, 1)[0]


def _uuid7(unix_ms: int, counter: int) -> UUID:
    value = (unix_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | counter << 64 | 0b10 << 62
    return UUID(int=value | secrets.randbits(62))
