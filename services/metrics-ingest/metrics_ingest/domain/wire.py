"""Protobuf by hand: the few shapes of remote write that are read and written here.

Readers take untrusted bytes. What ends too early raises `IndexError` or `BodyMalformed`; whoever walks a
whole message turns the first into the second (`guarded`).
"""

import contextlib
import mmap
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache

from metrics_ingest.domain.bodies import BodyMalformed

# What is read: bytes, or pages of large bodies; both are indexed and cut alike.
Data = bytes | mmap.mmap
VARINT_BYTES_MAX = 10
# The bit of a number's byte that says that another one follows.
GOES_ON = 0x80
_U64 = (1 << 64) - 1
_I64_SIGN = 1 << 63

# Field and wire type, as they stand on the wire. WriteRequest: timeseries. TimeSeries: labels, samples,
# exemplars, histograms. Label: name, value. Sample: value, timestamp.
SERIES = 0x0A
LABEL = 0x0A
SAMPLE = 0x12
EXEMPLAR = 0x1A
HISTOGRAM = 0x22
LABEL_NAME = 0x0A
LABEL_VALUE = 0x12
SAMPLE_VALUE = 0x09
SAMPLE_TIMESTAMP = 0x10

_DOUBLE = struct.Struct("<d")
_BITS = struct.Struct("<Q")
_TIMES_KEPT = 1024
_ONE_BYTE = [bytes((n,)) for n in range(128)]


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """A read beyond the end is a malformed body."""
    try:
        yield
    except (IndexError, struct.error) as error:
        raise BodyMalformed("the message ends within a field") from error


def varint(data: Data, pos: int) -> tuple[int, int]:
    """The unsigned number at `pos`, and where it ends."""
    first = data[pos]
    if first < GOES_ON:
        return first, pos + 1
    result = first & 0x7F
    shift = 7
    for at in range(pos + 1, pos + VARINT_BYTES_MAX):
        byte = data[at]
        result |= (byte & 0x7F) << shift
        if byte < GOES_ON:
            return result & _U64, at + 1
        shift += 7
    raise BodyMalformed("a number has more than ten bytes")


def field_end(data: Data, pos: int, known: frozenset[int] = frozenset()) -> int:
    """The end of the field at `pos`, of any kind.

    A tag that another reader could take for one of the `known` fields (spelt longer than need be, or with
    another wire type) is malformed: what is skipped here travels on, and must mean nothing there.
    """
    tag, at = varint(data, pos)
    if (data[at - 1] == 0 and at - pos > 1) or tag >> 3 in known or not tag >> 3:
        raise BodyMalformed(f"field {tag >> 3} of a message is not as it should be, or of another version")
    kind = tag & 7
    if kind == 0:
        return varint(data, at)[1]
    if kind == 1:
        return at + 8
    if kind == 2:  # noqa: PLR2004 the wire types of protobuf
        size, at = varint(data, at)
        return at + size
    if kind == 5:  # noqa: PLR2004
        return at + 4
    raise BodyMalformed("a field has a wire type of no meaning")


_SAMPLE_FIELDS = frozenset((1, 2))


def read_sample(data: Data, start: int, stop: int) -> tuple[int, int]:
    """Timestamp in ms and the value's 64 bits of the Sample message in `data[start:stop]`."""
    timestamp = bits = 0
    pos = start
    while pos < stop:
        tag = data[pos]
        if tag == SAMPLE_VALUE:
            (bits,) = _BITS.unpack_from(data, pos + 1)
            pos += 9
        elif tag == SAMPLE_TIMESTAMP:
            timestamp, pos = varint(data, pos + 1)
        else:
            pos = field_end(data, pos, _SAMPLE_FIELDS)
    if pos != stop:
        raise BodyMalformed("a sample is longer than it says")
    return timestamp - ((timestamp & _I64_SIGN) << 1), bits


def bits_of(value: float) -> int:
    (bits,) = _BITS.unpack(_DOUBLE.pack(value))
    return int(bits)


def put_varint(number: int) -> bytes:
    if number < GOES_ON:
        return _ONE_BYTE[number]
    out = bytearray()
    while number >= GOES_ON:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def put_bytes(tag: int, content: bytes) -> bytes:
    return b"%c%b%b" % (tag, put_varint(len(content)), content)


def put_labels(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The label fields of a TimeSeries, in the order given."""
    return b"".join([_put_label(name, value) for name, value in pairs])


def _put_label(name: bytes, value: bytes) -> bytes:
    size = len(name) + len(value) + 4
    if size < GOES_ON:
        # The usual one: all lengths of one byte.
        return b"\x0a%c\x0a%c%b\x12%c%b" % (size, len(name), name, len(value), value)
    return put_bytes(LABEL, put_bytes(LABEL_NAME, name) + put_bytes(LABEL_VALUE, value))


def put_sample(timestamp_ms: int, value: float) -> bytes:
    """The sample field of a TimeSeries."""
    return _put_sample(timestamp_ms, _DOUBLE.pack(value))


def put_sample_bits(timestamp_ms: int, bits: int) -> bytes:
    return _put_sample(timestamp_ms, _BITS.pack(bits))


def _put_sample(timestamp_ms: int, value: bytes) -> bytes:
    time = _put_time(timestamp_ms)
    return b"%c%c%c%b%b" % (SAMPLE, 1 + len(value) + len(time), SAMPLE_VALUE, value, time)


@lru_cache(maxsize=_TIMES_KEPT)
def _put_time(timestamp_ms: int) -> bytes:
    """Most samples of a request share theirs."""
    return b"%c%b" % (SAMPLE_TIMESTAMP, put_varint(timestamp_ms & _U64))


def put_series(form: bytes, samples: bytes) -> bytes:
    """A timeseries field of a WriteRequest, from label and sample fields."""
    return put_bytes(SERIES, form + samples)
