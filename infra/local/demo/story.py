"""What an act leaves for the report: each expectation, whether it held, and what was seen."""

import random
import uuid
from dataclasses import dataclass, field


@dataclass(slots=True)
class Check:
    claim: str
    held: bool
    seen: str


@dataclass(slots=True)
class Story:
    """One service's part of the demo; `run` marks what it made, `dice` makes its traffic repeatable."""

    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  (no secret)
    checks: list[Check] = field(default_factory=list)

    def check(self, claim: str, held: bool, seen: object) -> None:  # noqa: FBT001  (reads as a sentence)
        self.checks.append(Check(claim, held, str(seen)))
