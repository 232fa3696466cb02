"""Bodies laid out like an earlier one: a sender's next scrape has other samples at the same places.

Where every byte outside the samples is the same, a walk would find the same series again: where each ends,
and whose it is. To compare costs a small part of the walk.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain import wire
from metrics_ingest.domain.known import Known
from metrics_ingest.domain.samples import PLAIN_BYTES
from metrics_ingest.domain.wire import Data

_KEY_BYTES = 512
_BLANK = np.void(bytes(PLAIN_BYTES))


@dataclass(frozen=True, slots=True)
class Layout:
    """Series of one plain sample each, all of them known; `outline` is the body without the samples."""

    stops: NDArray[np.int64]
    slots: NDArray[np.int64]
    outline: bytearray
    known: Known
    generation: int

    def fits(self, known: Known, body: Data) -> bool:
        if self.known is not known or self.generation != known.generation:
            return False
        return _outline(body, self.stops) == self.outline


class Layouts:
    """Those that were used last; bounded in bytes, of all tenants together."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes_held = 0
        self._kept: OrderedDict[tuple[int, int, bytes], Layout] = OrderedDict()

    def find(self, known: Known, body: Data) -> Layout | None:
        key = _key(known, body)
        layout = self._kept.get(key)
        if layout is None or not layout.fits(known, body):
            return None
        self._kept.move_to_end(key)
        return layout

    def keep(self, known: Known, body: Data, stops: NDArray[np.int64], slots: NDArray[np.int64]) -> None:
        """`slots` are of known series, and the last 18 bytes before each of `stops` are its only sample."""
        key = _key(known, body)
        self._drop(key)
        self._kept[key] = layout = Layout(stops, slots, _outline(body, stops), known, known.generation)
        self._bytes_held += _size(layout)
        while self._bytes_held > self._bytes_max:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[int, int, bytes]) -> None:
        layout = self._kept.pop(key, None)
        if layout is not None:
            self._bytes_held -= _size(layout)


def _key(known: Known, body: Data) -> tuple[int, int, bytes]:
    """By its first series. Mostly one body's alone: another one of the same key takes its place."""
    with wire.guarded():
        size, start = wire.varint(body, 1)
    return id(known), len(body), body[: min(max(0, start + size - PLAIN_BYTES), _KEY_BYTES)]


def _size(layout: Layout) -> int:
    return len(layout.outline) + layout.stops.nbytes + layout.slots.nbytes


def _outline(body: Data, stops: NDArray[np.int64]) -> bytearray:
    copy = bytearray(body)
    everywhere: NDArray[np.void] = np.ndarray(
        (len(copy) - PLAIN_BYTES + 1,), dtype=_BLANK.dtype, buffer=copy, strides=(1,)
    )
    everywhere[stops - PLAIN_BYTES] = _BLANK
    return copy
