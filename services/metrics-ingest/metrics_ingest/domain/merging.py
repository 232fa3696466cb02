"""Snappy blocks become one without being unpacked, and so the messages in them one message.

A block is the varint of its unpacked length and a stream of elements that refer back only within what the
stream itself produced: streams one after the other, behind the sum of the lengths, are a block again. And
protobuf messages one after the other are one message with the repeated fields of all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from metrics_ingest.domain import wire
from metrics_ingest.domain.bodies import BodyMalformed

T = TypeVar("T")

# What the length may say: 32 bits.
UNPACKED_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Block(Generic[T]):
    """`start`: where the elements begin, behind a length that may be spelt longer than need be."""

    source: T
    compressed: bytes
    unpacked: int
    start: int


def read(source: T, compressed: bytes | None) -> Block[T]:
    """Raises `BodyMalformed` where there is no length, or nothing behind it."""
    if not compressed:
        raise BodyMalformed("the block is empty")
    with wire.guarded():
        unpacked, start = wire.varint(compressed, 0)
    if unpacked > UNPACKED_MAX or (unpacked > 0) != (start < len(compressed)):
        raise BodyMalformed("the block's length says something else than its elements")
    return Block(source, compressed, unpacked, start)


def merge(blocks: Iterable[Block[T]]) -> bytes:
    blocks = list(blocks)
    if len(blocks) == 1:
        return blocks[0].compressed
    streams = [memoryview(block.compressed)[block.start :] for block in blocks]
    return b"".join([wire.put_varint(sum(block.unpacked for block in blocks)), *streams])


def groups(
    blocks: Iterable[Block[T]], *, bytes_max: int, unpacked_bytes_max: int
) -> Iterator[list[Block[T]]]:
    """In order, as many together as both limits allow; one that exceeds them stands alone."""
    group: list[Block[T]] = []
    size = unpacked = 0
    for block in blocks:
        size += len(block.compressed)
        unpacked += block.unpacked
        if group and (size > bytes_max or unpacked > unpacked_bytes_max):
            yield group
            group, size, unpacked = [], len(block.compressed), block.unpacked
        group.append(block)
    if group:
        yield group
