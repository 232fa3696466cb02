"""Zipf popularity: a few links take most of the clicks, as on every shortener."""

import random
from bisect import bisect_left
from itertools import accumulate


class Zipf:
    """Ranks 0..size-1, rank r drawn in proportion to 1 / (r + 1) ** exponent."""

    def __init__(self, size: int, exponent: float = 1.0) -> None:
        if size < 1:
            raise ValueError("a popularity needs at least one rank")
        self._cumulative = list(accumulate(1.0 / (rank + 1) ** exponent for rank in range(size)))

    def draw(self, source: random.Random) -> int:
        return bisect_left(self._cumulative, source.random() * self._cumulative[-1])
