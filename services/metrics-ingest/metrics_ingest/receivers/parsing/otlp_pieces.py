"""A large OTLP request as several small ones, so that reading it takes memory for one of them only."""

from collections.abc import Iterator
from typing import NamedTuple

from metrics_ingest.domain import wire
from metrics_ingest.domain.bodies import BodyMalformed, TooManyParts

# A message in memory takes up to forty times its bytes on the wire.
PIECE_BYTES_MAX = 2**19
# What is repeated in each piece: resource, scope, name, unit.
COMMON_BYTES_MAX = 2**17

# Messages of nothing would be millions in a body that is not large.
FIELDS_MAX = 1_000_000

# Which fields hold the many: resources, scopes, metrics, their data (of five kinds), data points.
_LEVELS = (frozenset((1,)), frozenset((2,)), frozenset((2,)), frozenset((5, 7, 9, 10, 11)), frozenset((1,)))
_LENGTH_DELIMITED = 2


class _Field(NamedTuple):
    """Where it begins, its content if it is one of the many, and where it ends."""

    begin: int
    start: int | None
    stop: int


def pieces(body: bytes) -> Iterator[bytes]:
    """Requests that are the given one together, in order; raises `BodyMalformed`, `TooManyParts`."""
    if len(body) <= PIECE_BYTES_MAX:
        yield body
    else:
        yield from _cut(body, 0, len(body), 0, iter(range(FIELDS_MAX)))


def _cut(body: bytes, begin: int, end: int, level: int, left: Iterator[int]) -> Iterator[bytes]:
    if level == len(_LEVELS):
        raise BodyMalformed(f"a data point is longer than {PIECE_BYTES_MAX} bytes")
    common = _common(body, begin, end, level, left)
    run: list[bytes] = []
    size = 0
    for field in _fields(body, begin, end, level, left):
        if field.start is None:
            continue
        length = field.stop - field.begin
        if run and size + length > PIECE_BYTES_MAX:
            yield b"".join((common, *run))
            run, size = [], 0
        if length > PIECE_BYTES_MAX:
            for part in _cut(body, field.start, field.stop, level + 1, left):
                yield common + wire.put_bytes(body[field.begin], part)
        else:
            run.append(body[field.begin : field.stop])
            size += length
    if run:
        yield b"".join((common, *run))


def _common(body: bytes, begin: int, end: int, level: int, left: Iterator[int]) -> bytes:
    """All other fields, as they stand."""
    found: list[bytes] = []
    size = 0
    for field in _fields(body, begin, end, level, left):
        if field.start is None:
            found.append(body[field.begin : field.stop])
            size += field.stop - field.begin
            if size > COMMON_BYTES_MAX:
                raise BodyMalformed(f"what its data points share is longer than {COMMON_BYTES_MAX} bytes")
    return b"".join(found)


def _fields(body: bytes, pos: int, end: int, level: int, left: Iterator[int]) -> Iterator[_Field]:
    many = _LEVELS[level]
    with wire.guarded():
        while pos < end:
            if next(left, None) is None:
                raise TooManyParts(FIELDS_MAX, "messages")
            tag, at = wire.varint(body, pos)
            start = None
            if at == pos + 1 and tag >> 3 in many and tag & 7 == _LENGTH_DELIMITED:
                length, start = wire.varint(body, at)
                stop = start + length
            else:
                stop = wire.field_end(body, pos, many)
            if stop > end:
                raise BodyMalformed("the message ends within a field")
            yield _Field(pos, start, stop)
            pos = stop
