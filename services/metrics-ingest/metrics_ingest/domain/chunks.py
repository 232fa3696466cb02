"""What was accepted, as records of bounded size: cut between series, and within one that is larger."""

from collections.abc import Iterator
from dataclasses import dataclass

import cramjam
import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain import elements, verdict, wire
from metrics_ingest.domain.docket import Docket
from metrics_ingest.domain.samples import Window
from metrics_ingest.domain.verdict import Payload

# Packing this much takes a thread of its own: it would hold up the others.
LARGE_BYTES = 2**20
# What is sent compresses by at least so much nearly always; where not, the chunk is halved.
_USUAL_RATIO = 2
_EVER = Window(np.iinfo(np.int64).min, np.iinfo(np.int64).max)


def compress(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def payload(message: bytes, *, accepted: int, samples_count: int, dead: int) -> Payload:
    return Payload(compress(message), accepted, samples_count, {verdict.NAN: dead} if dead else {})


def pack(docket: Docket, raw: bytes | None, record_bytes_max: int) -> list[Payload]:
    """`raw`: the body as it came, which travels on if everything in it was accepted."""
    accepted, dead = docket.accepted, docket.dead
    if not accepted:
        return []
    if raw is not None and docket.whole and len(raw) <= record_bytes_max:
        return [Payload(raw, accepted, accepted, {verdict.NAN: dead} if dead else {})]
    ratio = _USUAL_RATIO if raw is None else max(1.0, len(docket.body) / len(raw) * 0.9)
    packer = _Packer(docket, record_bytes_max)
    return list(packer.pack(int(record_bytes_max * ratio)))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The accepted series of a docket: byte ranges, or rewritten bytes by index."""

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    counts: NDArray[np.int64]
    dead: NDArray[np.int64]
    rewritten: dict[int, bytes]

    @classmethod
    def of(cls, docket: Docket) -> "_Kept":
        columns: list[tuple[NDArray[np.int64], ...]] = []
        rewritten: dict[int, bytes] = {}
        size = 0
        for part in docket.slices:
            counts = np.ones(len(part.stops), np.int64) if part.counts is None else part.counts
            gone = np.zeros(len(part.stops), np.int64) if part.dead is None else part.dead
            keep = counts > 0
            starts = np.concatenate(([part.start], part.stops[:-1]))
            order = np.cumsum(keep) - 1
            rewritten.update((size + int(order[place]), data) for place, data in part.rewritten.items())
            columns.append((starts[keep], part.stops[keep], counts[keep], gone[keep]))
            size += int(np.count_nonzero(keep))
        starts, stops, counts, dead = (np.concatenate(column) for column in zip(*columns, strict=True))
        return cls(starts, stops, counts, dead, rewritten)


class _Packer:
    def __init__(self, docket: Docket, record_bytes_max: int) -> None:
        self._body = docket.body
        self._kept = _Kept.of(docket)
        self._max = record_bytes_max
        self._alone = np.zeros(len(self._kept.starts), np.bool_)
        self._alone[list(self._kept.rewritten)] = True

    def pack(self, chunk_bytes: int) -> Iterator[Payload]:
        sizes = self._kept.stops - self._kept.starts
        for index, data in self._kept.rewritten.items():
            sizes[index] = len(data)
        ends = np.cumsum(sizes)
        first = 0
        while first < len(ends):
            filled = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, filled + chunk_bytes, side="right")))
            yield from self._chunk(first, last)
            first = last

    def _chunk(self, first: int, last: int) -> Iterator[Payload]:
        """Series of the range as one record, or as halves where it is too much for one."""
        message = self._join(first, last)
        compressed = compress(message)
        if len(compressed) <= self._max:
            accepted = int(self._kept.counts[first:last].sum())
            dead = int(self._kept.dead[first:last].sum())
            yield Payload(compressed, accepted, accepted, {verdict.NAN: dead} if dead else {})
        elif last - first > 1:
            middle = (first + last) // 2
            yield from self._chunk(first, middle)
            yield from self._chunk(middle, last)
        else:
            yield from split_series(message, self._max)

    def _join(self, first: int, last: int) -> bytes:
        kept = self._kept
        starts, stops = kept.starts[first:last], kept.stops[first:last]
        breaks = starts[1:] != stops[:-1]
        if kept.rewritten:
            alone = self._alone[first:last]
            breaks |= alone[1:] | alone[:-1]
        begins = np.concatenate(([0], np.flatnonzero(breaks) + 1)).tolist()
        ends = [*(begin - 1 for begin in begins[1:]), last - first - 1]
        return b"".join(
            [
                kept.rewritten.get(first + begin) or self._body[int(starts[begin]) : int(stops[end])]
                for begin, end in zip(begins, ends, strict=True)
            ]
        )


def split_series(message: bytes, record_bytes_max: int) -> Iterator[Payload]:
    """One series that fills more than a record: halves of its samples, and nothing but labels and samples."""
    pos = 0
    while message[pos] != wire.SERIES:
        pos = wire.field_end(message, pos)
    size, start = wire.varint(message, pos + 1)
    element = elements.take_apart(message, start, start + size, maybe_plain=False)
    yield from _halves(element.form, elements.sample_bytes(message, element), record_bytes_max)


def _halves(form: bytes, fields: bytes, record_bytes_max: int) -> Iterator[Payload]:
    message = wire.put_series(form, fields)
    start = len(message) - len(form) - len(fields)
    element = elements.take_apart(message, start, len(message), maybe_plain=False)
    outcome = elements.judge_samples(message, element, _EVER)
    compressed = compress(message)
    if len(compressed) <= record_bytes_max or outcome.received == 1:
        dead = {verdict.NAN: outcome.dead} if outcome.dead else {}
        yield Payload(compressed, outcome.accepted, outcome.accepted, dead)
        return
    middle = _middle(element) - (len(message) - len(fields))
    yield from _halves(form, fields[:middle], record_bytes_max)
    yield from _halves(form, fields[middle:], record_bytes_max)


def _middle(element: elements.Element) -> int:
    """Where a sample ends, about halfway."""
    if element.run is not None:
        return int(element.run.ends[(len(element.run.ends) - 1) // 2])
    return element.samples[(len(element.samples) - 1) // 2][2]
