"""A large OTLP request as several small ones, so that reading it takes memory for one of them only."""

from collections.abc import Iterator

from metrics_ingest.domain import wire
from metrics_ingest.domain.bodies import BodyMalformed

# A message in memory takes up to forty times its bytes on the wire.
PIECE_BYTES_MAX = 2**20
# What is repeated in each piece: resource, scope, name, unit.
COMMON_BYTES_MAX = 2**18

# Which fields hold the many: ResourceMetrics, ScopeMetrics, Metric, the five kinds of data, data points.
_LEVELS = (frozenset((1,)), frozenset((2,)), frozenset((2,)), frozenset((5, 7, 9, 10, 11)), frozenset((1,)))
_LENGTH_DELIMITED = 2


def pieces(body: bytes) -> Iterator[bytes]:
    """Requests that are the given one together, in order; raises `BodyMalformed`."""
    if len(body) <= PIECE_BYTES_MAX:
        yield body
        return
    yield from _cut(body, 0)


def _cut(message: bytes, level: int) -> Iterator[bytes]:
    if level == len(_LEVELS):
        raise BodyMalformed(f"a data point is longer than {PIECE_BYTES_MAX} bytes")
    common, children = _fields(message, _LEVELS[level])
    run: list[bytes] = []
    size = len(common)
    for tag, start, stop in children:
        length = stop - start
        if run and size + length > PIECE_BYTES_MAX:
            yield b"".join((common, *run))
            run, size = [], len(common)
        if len(common) + length > PIECE_BYTES_MAX:
            for part in _cut(message[start:stop], level + 1):
                yield common + wire.put_bytes(tag, part)
        else:
            run.append(wire.put_bytes(tag, message[start:stop]))
            size += length
    if run or not children:
        yield b"".join((common, *run))


def _fields(message: bytes, many: frozenset[int]) -> tuple[bytes, list[tuple[int, int, int]]]:
    """All other fields as they stand, and tag, start and stop of the content of each of the many."""
    common: list[bytes] = []
    children: list[tuple[int, int, int]] = []
    size = pos = 0
    with wire.guarded():
        while pos < len(message):
            tag, at = wire.varint(message, pos)
            if tag >> 3 in many and tag & 7 == _LENGTH_DELIMITED:
                length, start = wire.varint(message, at)
                pos = start + length
                children.append((tag, start, pos))
            else:
                begin, pos = pos, wire.field_end(message, pos)
                common.append(message[begin:pos])
                size += pos - begin
            if size > COMMON_BYTES_MAX:
                raise BodyMalformed(f"what all data points share is longer than {COMMON_BYTES_MAX} bytes")
    if pos != len(message):
        raise BodyMalformed("the message ends within a field")
    return b"".join(common), children
