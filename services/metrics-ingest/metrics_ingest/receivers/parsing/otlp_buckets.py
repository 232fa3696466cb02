"""Exponential histograms as classic ones: counts below bounds that stay the same from point to point.

There are eight buckets an octave at most: a finer scale is merged down to that. So a histogram that adapts
its scale keeps its series, for the bounds of a coarser scale are among those of a finer one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Eight buckets an octave: a quantile is off by 4.5 % at most.
SCALE_MAX = 3
BUCKETS_MAX = 160
# Powers of two beyond what a double holds.
_EXPONENT_MAX = 1024
_EXPONENT_MIN = -1075
_SCALE_MIN = -11


@dataclass(frozen=True, slots=True)
class Range:
    """Counts of the buckets from `offset` on: bucket i holds values in (base^i, base^(i+1)]."""

    offset: int
    counts: Sequence[int]

    def merged(self, shift: int) -> "Range":
        """In a scale lower by `shift`."""
        if not shift or not self.counts:
            return self
        first = self.offset >> shift
        counts = [0] * (((self.offset + len(self.counts) - 1) >> shift) - first + 1)
        for place, count in enumerate(self.counts, self.offset):
            counts[(place >> shift) - first] += count
        return Range(first, counts)


def below(
    scale: int, zero_threshold: float, zero_count: int, negative: Range, positive: Range
) -> Iterator[tuple[float, int]]:
    """Finite upper bounds, ascending, each with the count of what lies at or below it."""
    shift = max(0, scale - SCALE_MAX)
    negative, positive = negative.merged(shift), positive.merged(shift)
    scale -= shift
    while len(negative.counts) + len(positive.counts) > BUCKETS_MAX and scale > _SCALE_MIN:
        negative, positive = negative.merged(1), positive.merged(1)
        scale -= 1
    total = 0
    last = float("-inf")
    for bound, count in _steps(scale, zero_threshold, zero_count, negative, positive):
        total += count
        if bound <= last or bound == float("inf"):
            # Within the zero bucket, or nothing a double can tell apart: counted with the next bound.
            continue
        yield bound, total
        last = bound


def _steps(
    scale: int, zero_threshold: float, zero_count: int, negative: Range, positive: Range
) -> Iterator[tuple[float, int]]:
    """Every bucket's upper bound and own count; before each sign's buckets the bound at which they begin."""
    if negative.counts:
        yield -_power(scale, negative.offset + len(negative.counts)), 0
    for place in reversed(range(len(negative.counts))):
        # Plus zero: there is no bound of minus zero.
        yield -_power(scale, negative.offset + place) + 0.0, negative.counts[place]
    if zero_count or negative.counts:
        yield zero_threshold, zero_count
    if positive.counts:
        yield _power(scale, positive.offset), 0
    for place, count in enumerate(positive.counts, positive.offset + 1):
        yield _power(scale, place), count


def _power(scale: int, index: int) -> float:
    exponent = index * 2.0**-scale
    if exponent >= _EXPONENT_MAX:
        return float("inf")
    return 0.0 if exponent < _EXPONENT_MIN else 2.0**exponent
