"""Remote write 2.0 as 1.0: symbols written out, created timestamps and exemplars left behind.

Native histograms go along as fields of 1.0, so that one engine refuses and counts them.
"""

from collections.abc import Iterator

from metrics_ingest.domain import wire
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge

SYMBOL = 0x22
SERIES = 0x2A
_REFS = 0x0A
_REF = 0x08
_SAMPLE = 0x12
_HISTOGRAM = 0x1A
# The first and the third are timeseries and metadata of 1.0, which would be skipped as if they were nothing.
_REQUEST_FIELDS = frozenset((1, 3, 4, 5))
_SERIES_FIELDS = frozenset((1, 2, 3))
_EMPTY_HISTOGRAM = wire.put_bytes(wire.HISTOGRAM, b"")
_TIMESTAMPED_BYTES = 16


class Translation:
    """`write` yields timeseries fields of 1.0, one a series; raises `BodyMalformed`, `BodyTooLarge`."""

    def __init__(self, body: bytes, unpacked_bytes_max: int) -> None:
        self._body = body
        self._limit = unpacked_bytes_max
        self._names: list[bytes] = []
        self._values: list[bytes] = []
        self._series: list[int] = []
        with wire.guarded():
            self._read()

    def _read(self) -> None:
        """Symbols may stand after the series that mean them."""
        body, pos, end = self._body, 0, len(self._body)
        while pos < end:
            tag = body[pos]
            if tag not in {SYMBOL, SERIES}:
                pos = wire.field_end(body, pos, _REQUEST_FIELDS)
                continue
            size, start = wire.varint(body, pos + 1)
            if tag == SYMBOL:
                text = body[start : start + size]
                self._names.append(wire.put_bytes(wire.LABEL_NAME, text))
                self._values.append(wire.put_bytes(wire.LABEL_VALUE, text))
            else:
                self._series.append(pos)
            pos = start + size
        if pos != end:
            raise BodyMalformed("the message ends within a field")
        if self._values and self._values[0] != wire.put_bytes(wire.LABEL_VALUE, b""):
            raise BodyMalformed("the first symbol is not the empty one")

    def write(self) -> Iterator[bytes]:
        left = self._limit
        for pos in self._series:
            with wire.guarded():
                size, start = wire.varint(self._body, pos + 1)
                content = self._translate(start, start + size)
            element = wire.put_bytes(wire.SERIES, content)
            left -= len(element)
            if left < 0:
                raise BodyTooLarge(self._limit)
            yield element

    def _translate(self, pos: int, stop: int) -> bytes:
        body = self._body
        refs: list[int] = []
        fields: list[bytes] = []
        while pos < stop:
            tag = body[pos]
            if tag == _REF:
                ref, pos = wire.varint(body, pos + 1)
                refs.append(ref)
                continue
            if tag not in {_REFS, _SAMPLE, _HISTOGRAM}:
                pos = wire.field_end(body, pos, _SERIES_FIELDS)
                continue
            size, start = wire.varint(body, pos + 1)
            end = start + size
            if tag == _REFS:
                _read_refs(body, start, end, refs)
            elif tag == _HISTOGRAM:
                fields.append(_EMPTY_HISTOGRAM)
            else:
                fields.append(_sample(body, pos, start, end))
            pos = end
        if pos != stop:
            raise BodyMalformed("a field is longer than its series")
        return self._labels(refs) + b"".join(fields)

    def _labels(self, refs: list[int]) -> bytes:
        if len(refs) % 2:
            raise BodyMalformed("a label has a name and no value")
        names, values = self._names, self._values
        out = []
        try:
            for name, value in zip(refs[::2], refs[1::2], strict=True):
                out.append(wire.put_bytes(wire.LABEL, names[name] + values[value]))
        except IndexError as error:
            raise BodyMalformed("a label refers to a symbol that is not there") from error
        return b"".join(out)


def _read_refs(body: bytes, pos: int, end: int, refs: list[int]) -> None:
    while pos < end:
        ref, pos = wire.varint(body, pos)
        refs.append(ref)
    if pos != end:
        raise BodyMalformed("a series' references end within a number")


def _sample(body: bytes, pos: int, start: int, end: int) -> bytes:
    """The same bytes, unless there is more in it than 1.0 knows."""
    if end - start <= _TIMESTAMPED_BYTES and body[start] in {wire.SAMPLE_VALUE, wire.SAMPLE_TIMESTAMP}:
        return body[pos:end]
    timestamp_ms, bits = wire.read_sample(body, start, end)
    return wire.put_sample_bits(timestamp_ms, bits)
