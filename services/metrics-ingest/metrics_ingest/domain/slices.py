"""What a judgement keeps of the series it has seen: a few numbers for each."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metrics_ingest.domain.labels import Identity


@dataclass(slots=True, eq=False)
class Slice:
    """Some consecutive series: where they end, and how many samples of each are accepted, and dead.

    None stands for "one each" and "no dead ones". `rewritten` holds, by place, series that lost a part.
    """

    first: int
    start: int
    stops: NDArray[np.int64]
    counts: NDArray[np.int64] | None = None
    dead: NDArray[np.int64] | None = None
    rewritten: dict[int, bytes] = field(default_factory=dict)

    def count(self, place: int) -> int:
        return 1 if self.counts is None else int(self.counts[place])

    def accepted(self) -> int:
        return len(self.stops) if self.counts is None else int(self.counts.sum())

    def set(self, place: int, count: int, dead: int) -> None:
        self.own_counts()[place] = count
        if dead or self.dead is not None:
            self.own_dead()[place] = dead

    def own_counts(self) -> NDArray[np.int64]:
        if self.counts is None:
            self.counts = np.ones(len(self.stops), np.int64)
        return self.counts

    def own_dead(self) -> NDArray[np.int64]:
        if self.dead is None:
            self.dead = np.zeros(len(self.stops), np.int64)
        return self.dead


@dataclass(slots=True)
class Pending:
    """A series that is new to this process, and where it stands in the request."""

    identity: Identity
    places: list[tuple[Slice, int]] = field(default_factory=list)
