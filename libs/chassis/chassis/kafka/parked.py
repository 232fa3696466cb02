"""What a member knows of the parked keys of its partitions."""

import time
from collections.abc import Iterable

from chassis import metrics
from chassis.parking import ParkedKey, Place

_PARKED = metrics.gauge("kafka_consumer_parked_keys", "Keys that wait for another try.", ("group",))


class ParkedKeys:
    """A copy of the `parked_keys` rows of the partitions owned: a batch is checked without a query."""

    def __init__(self, group: str) -> None:
        self._gauge = _PARKED.labels(group)
        self._due: dict[tuple[Place, bytes], tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, name: tuple[Place, bytes]) -> bool:
        return name in self._due

    def add(self, place: Place, key: bytes, *, attempts: int, due_in_s: float) -> None:
        self._due[place, key] = (time.monotonic() + due_in_s, attempts)
        self._gauge.set(len(self._due))

    def remove(self, place: Place, key: bytes) -> None:
        self._due.pop((place, key), None)
        self._gauge.set(len(self._due))

    def forget(self, places: Iterable[Place]) -> None:
        """The partitions are somebody else's now."""
        gone = set(places)
        self._due = {name: due for name, due in self._due.items() if name[0] not in gone}
        self._gauge.set(len(self._due))

    def due(self, *, limit: int) -> list[ParkedKey]:
        """The longest due first."""
        now = time.monotonic()
        ripe = sorted((at, name, attempts) for name, (at, attempts) in self._due.items() if at <= now)
        return [ParkedKey(place, key, attempts, 0.0) for _, (place, key), attempts in ripe[:limit]]
