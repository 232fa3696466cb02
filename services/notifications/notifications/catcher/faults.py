"""The operator's switch: how the mail server fails, until it is told to stop."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    REFUSE = "refuse"  # 550: for good
    BUSY = "busy"  # 451: later
    HANG = "hang"  # no answer, nothing kept
    REPLY_LOST = "reply_lost"  # kept, and the connection is cut instead of an answer


@dataclass(slots=True)
class Switch:
    """The fault in force; a restart forgets it."""

    kind: FaultKind | None = None
