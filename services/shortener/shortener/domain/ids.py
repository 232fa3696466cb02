"""Time-ordered ids (UUID version 7, RFC 9562): the primary key of links, and the order of a list."""

import secrets
from uuid import UUID

_COUNTER_BITS = 12
_RANDOM_BITS = 62


def uuid7(unix_ms: int, counter: int | None = None) -> UUID:
    """An id of the given millisecond. `counter` (12 bits) orders ids of one batch within a millisecond."""
    low = secrets.randbits(_COUNTER_BITS) if counter is None else counter & ((1 << _COUNTER_BITS) - 1)
    value = (unix_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= low << 64
    value |= 0b10 << _RANDOM_BITS
    value |= secrets.randbits(_RANDOM_BITS)
    return UUID(int=value)


def uuid7_batch(unix_ms: int, count: int) -> list[UUID]:
    """Ids in ascending order; past 4,096 of them the next ones borrow the following millisecond."""
    per_ms = 1 << _COUNTER_BITS
    return [uuid7(unix_ms + index // per_ms, index % per_ms) for index in range(count)]
