"""What StatsD's readings have come to in this process: running totals, so that a lost flush loses nothing.

Counters and timers grow from the start of the process, as those of any Prometheus client do, and start anew
when it does. Each process has its own, told apart by a label: their sum is the total.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from metrics_ingest.domain import verdict
from metrics_ingest.domain.points import NAME, Point, Sample
from metrics_ingest.receivers.parsing.naming import number_text
from metrics_ingest.receivers.parsing.statsd import Kind, Reading

REPLICA = "statsd_replica"
SERIES = "series"
MEMBERS = "members"
# What was dropped for lack of room here.
DROPPED = frozenset((SERIES, MEMBERS))
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ANYTHING = (*_SECONDS, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
_BOUNDS = {Kind.TIMER: _SECONDS, Kind.HISTOGRAM: _ANYTHING}

type_of_key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateBounds:
    """`series_max` counts stored series, of which a timer is several, `members_max` those of all sets.

    A series without a reading for `idle_s` is forgotten.
    """

    series_max: int = 20_000
    members_max: int = 100_000
    label_bytes_max: int = 8 * 2**20
    refresh_s: float = 60.0
    idle_s: float = 300.0


@dataclass(slots=True)
class Aggregate:
    kind: Kind
    cost: int
    read_at: float
    told_at: float = float("-inf")
    lines: int = 0
    value: float = 0.0
    counts: list[float] = field(default_factory=list)
    members: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Told:
    """A point of a flush with the lines it stands for."""

    point: Point
    aggregate: Aggregate
    lines: int
    members: set[int]


class Aggregates:
    """One a process; not for several threads."""

    def __init__(self, bounds: AggregateBounds, replica: str) -> None:
        self._bounds = bounds
        self._replica = (REPLICA, replica)
        self._all: dict[type_of_key, Aggregate] = {}
        self._cost = 0
        self._bytes = 0
        self._members = 0

    def __len__(self) -> int:
        """Stored series."""
        return self._cost

    def add(self, reading: Reading, now: float) -> str | None:
        """The reason for which there was no room for it, or why it contradicts earlier ones."""
        bounds = self._bounds
        key = (reading.name, reading.labels)
        found = self._all.get(key)
        if found is None:
            cost = len(_BOUNDS[reading.kind]) + 3 if reading.kind in _BOUNDS else 1
            size = cost * _key_bytes(key)
            if max(self._cost + cost - bounds.series_max, self._bytes + size - bounds.label_bytes_max) > 0:
                return SERIES
            found = self._all[key] = Aggregate(reading.kind, cost, now)
            self._cost += cost
            self._bytes += size
        if found.kind is not reading.kind:
            return verdict.INVALID_NAME
        if reading.kind is Kind.SET and self._members + len(reading.values) > bounds.members_max:
            return MEMBERS
        self._members -= len(found.members)
        _apply(found, reading)
        self._members += len(found.members)
        found.read_at = now
        found.lines += 1
        return None

    def tell(self, now: float, now_ms: int) -> Iterator[Told]:
        """What has changed since it was last told, and the rest from time to time."""
        for index, (key, found) in enumerate(list(self._all.items())):
            if not found.lines and now - found.read_at >= self._bounds.idle_s:
                self._forget(key, found)
            elif found.lines or (
                now - found.told_at >= self._bounds.refresh_s and found.kind is not Kind.SET
            ):
                found.told_at = now
                series = tuple(self._samples(key, found, now_ms))
                members, found.members = found.members, set()
                self._members -= len(members)
                yield Told(Point(index, series), found, found.lines, members)

    @staticmethod
    def settle(told: Told) -> None:
        """Its lines are accounted for."""
        told.aggregate.lines -= told.lines

    def take_back(self, told: Told) -> None:
        """It was not: the next flush tells it again."""
        self._members -= len(told.aggregate.members)
        told.aggregate.members |= told.members
        self._members += len(told.aggregate.members)

    def _forget(self, key: type_of_key, found: Aggregate) -> None:
        del self._all[key]
        self._cost -= found.cost
        self._bytes -= found.cost * _key_bytes(key)

    def _samples(self, key: type_of_key, found: Aggregate, now_ms: int) -> Iterator[Sample]:
        name, labels = key
        common = (*labels, self._replica)
        if found.kind not in _BOUNDS:
            value = float(len(found.members)) if found.kind is Kind.SET else found.value
            yield Sample(((NAME, name), *common), now_ms, value)
            return
        total = 0.0
        for bound, count in zip((*_BOUNDS[found.kind], float("inf")), found.counts, strict=True):
            total += count
            yield Sample(((NAME, f"{name}_bucket"), *common, ("le", number_text(bound))), now_ms, total)
        yield Sample(((NAME, f"{name}_sum"), *common), now_ms, found.value)
        yield Sample(((NAME, f"{name}_count"), *common), now_ms, total)


def _apply(found: Aggregate, reading: Reading) -> None:
    if reading.kind is Kind.SET:
        found.members.update(map(hash, reading.values))
        return
    numbers = [value for value in reading.values if isinstance(value, float)]
    if reading.kind is Kind.GAUGE:
        found.value = found.value + sum(numbers) if reading.relative else numbers[-1]
    else:
        found.value += sum(numbers) * reading.weight
    if reading.kind in _BOUNDS:
        _observe(found, _BOUNDS[reading.kind], numbers, reading.weight)


def _observe(found: Aggregate, bounds: Sequence[float], numbers: Sequence[float], weight: float) -> None:
    found.counts = found.counts or [0.0] * (len(bounds) + 1)
    for number in numbers:
        found.counts[bisect_left(bounds, number)] += weight


def _key_bytes(key: type_of_key) -> int:
    name, labels = key
    return len(name) + sum(len(one) + len(other) for one, other in labels)
