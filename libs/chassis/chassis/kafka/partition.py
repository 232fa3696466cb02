"""The partition of a key, as Kafka's own clients choose it (murmur2), remembered for frequent keys."""

import functools

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
KEYS_MAX = 65_536


@functools.lru_cache(maxsize=KEYS_MAX)
def murmur2(data: bytes) -> int:
    """32 bits, the sign bit cleared."""
    length = len(data)
    h = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        k = (int.from_bytes(data[at : at + 4], "little") * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if whole < length:
        h ^= int.from_bytes(data[whole:], "little")
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return (h ^ (h >> 15)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    return murmur2(key) % partitions
