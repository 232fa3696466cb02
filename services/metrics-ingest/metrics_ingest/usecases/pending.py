"""What was written since the last barrier: none of it counts yet."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chassis.dlq import DeadLetter

from metrics_ingest.domain.accounting import Entries

Partition = tuple[str, int]


@dataclass(slots=True)
class Pending:
    """`moves`: where each partition stood at the last barrier, and where it will after the next."""

    moves: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    entries: Entries = field(default_factory=Counter)
    letters: list[DeadLetter] = field(default_factory=list)
    points: int = 0
    since: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.moves)

    def add(
        self,
        moves: Mapping[Partition, tuple[int, int]],
        entries: Entries,
        letters: Sequence[DeadLetter],
        *,
        points: int,
        now: float,
    ) -> None:
        if not self.moves:
            self.since = now
        for partition, (expected, following) in moves.items():
            first, _ = self.moves.get(partition, (expected, following))
            self.moves[partition] = (first, following)
        self.entries.update(entries)
        self.letters += letters
        self.points += points

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Whoever reads them now writes those points again."""
        gone = set(partitions)
        numbers = {number for _, number in gone}
        self.moves = {partition: move for partition, move in self.moves.items() if partition not in gone}
        self.entries = Counter(
            {entry: points for entry, points in self.entries.items() if entry.partition not in numbers}
        )
        self.letters = [
            letter for letter in self.letters if (letter.message.topic, letter.message.partition) not in gone
        ]
