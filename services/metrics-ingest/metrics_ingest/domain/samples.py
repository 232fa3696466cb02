"""Times and values of many samples at once, where they have the shape that nearly every sender gives them.

A plain sample is the last 18 bytes of its series: `12 10 09 <double> 10 <six bytes of timestamp>`; one of
value zero, which protobuf leaves out, the last nine: `12 07 10 <six bytes>`. Six bytes hold the years 2004 to
3084.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain.wire import Data

PLAIN_BYTES = 18
ZERO_BYTES = 9
PLAIN_HEAD = b"\x12\x10\x09"
ZERO_HEAD = b"\x12\x07\x10"

# The one NaN that means something: Prometheus' "this series has ended".
STALE_MARKER_BITS = 0x7FF0000000000002
_EXPONENT_BITS = np.uint64(0x7FF0000000000000)
_MAGNITUDE_BITS = np.uint64(0x7FFFFFFFFFFFFFFF)

_PLAIN = np.dtype(
    {
        "names": ["head", "value", "end"],
        "formats": ["<u4", "<u8", "<u8"],
        "offsets": [0, 3, 10],
        "itemsize": 18,
    }
)
_HEAD_MASK, _HEAD = np.uint32(0xFFFFFF), np.uint32(0x091012)
_ZERO_MASK, _ZERO = np.uint64(0xFFFF << 48), np.uint64(0x0712 << 48)
# The tag of the timestamp, and which of its six bytes go on.
_END_MASK, _END = np.uint64(0x80808080_8080_FF00), np.uint64(0x00808080_8080_1000)
_SHIFTS = [(np.uint64(16 + place), np.uint64(0x7F << (7 * place))) for place in range(6)]


@dataclass(frozen=True, slots=True)
class Window:
    """Which timestamps are accepted, in ms, both ends included."""

    oldest_ms: int
    newest_ms: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Masks over the samples that were asked about; None where all are fine."""

    misshapen: NDArray[np.bool_] | None
    old: NDArray[np.bool_] | None
    future: NDArray[np.bool_] | None
    nan: NDArray[np.bool_] | None

    @property
    def fine(self) -> bool:
        return self.misshapen is None and self.old is None and self.future is None

    def without(self, places: list[int]) -> "Checked":
        """The same, of all samples but those."""
        masks = (self.misshapen, self.old, self.future, self.nan)
        for mask in masks:
            if mask is not None:
                mask[places] = False
        return Checked(*(None if mask is None else _any(mask) for mask in masks))


def tails(body: Data, stops: NDArray[np.int64]) -> NDArray[np.void]:
    """The 18 bytes before each stop, none of which may be below 18."""
    everywhere: NDArray[np.void] = np.ndarray(
        (len(body) - PLAIN_BYTES + 1,), dtype="V18", buffer=body, strides=(1,)
    )
    return everywhere[stops - PLAIN_BYTES].view(_PLAIN)


def run_of(body: Data, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
    """Where each sample ends, and which ones are zeros, if nothing but plain samples fills the bytes.

    Both shapes are multiples of nine bytes, and the first nine of a long one can be taken for nothing else.
    """
    count, rest = divmod(stop - start, ZERO_BYTES)
    if rest or not count:
        return None
    nines = np.frombuffer(body, np.uint8, count * ZERO_BYTES, start).reshape(count, ZERO_BYTES)
    first = (nines[:, 0] == PLAIN_HEAD[0]) & (nines[:, 1] == PLAIN_HEAD[1]) & (nines[:, 2] == PLAIN_HEAD[2])
    second = np.roll(first, 1)
    zero = ~first & ~second
    if second[0] or (first & second).any() or (nines[zero, :3] != list(ZERO_HEAD)).any():
        return None
    ends = np.flatnonzero(~first)
    return start + (ends + 1) * ZERO_BYTES, zero[ends]


def check(found: NDArray[np.void], zeros: Sequence[int] | NDArray[np.bool_], window: Window) -> Checked:
    """Of plain samples, and of those of value zero at the places `zeros`."""
    end = found["end"]
    shaped = ((found["head"] & _HEAD_MASK) == _HEAD) & ((end & _END_MASK) == _END)
    bits = found["value"]
    if len(zeros):
        # Nine bytes: their head stands where the value's last bytes would be.
        shaped[zeros] = ((bits[zeros] & _ZERO_MASK) == _ZERO) & ((end[zeros] & _END_MASK) == _END)
        bits = bits.copy()
        bits[zeros] = 0
    times = _times(end)
    old, future = times < window.oldest_ms, times > window.newest_ms
    nan = is_nan(bits)
    if not shaped.all():
        misshapen = ~shaped
        old, future, nan = old & shaped, future & shaped, nan & shaped
    else:
        misshapen = None
    return Checked(misshapen, _any(old), _any(future), _any(nan & ~(old | future)))


def _any(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return mask if mask.any() else None


def _times(end: NDArray[np.uint64]) -> NDArray[np.int64]:
    total = (end >> np.uint64(16)) & np.uint64(0x7F)
    for shift, mask in _SHIFTS[1:]:
        total |= (end >> shift) & mask
    return total.view(np.int64)


def is_nan(bits: Any) -> Any:
    """Of values by their bits: not a number, and not the stale marker."""
    return ((bits & _MAGNITUDE_BITS) > _EXPONENT_BITS) & (bits != np.uint64(STALE_MARKER_BITS))


def is_nan_bits(bits: int) -> bool:
    return bits & int(_MAGNITUDE_BITS) > int(_EXPONENT_BITS) and bits != STALE_MARKER_BITS
