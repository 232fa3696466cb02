"""A delivery: what became of one notice."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    SENDING = "sending"  # not yet, or not known: an attempt is in hand, or the next one is to come
    SENT = "sent"
    SKIPPED = "skipped"  # there was nobody to tell
    FAILED = "failed"  # refused for good; only a redrive tries again


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make attempt number `attempt`; `short_url` when an earlier one has made the link."""

    attempt: int
    short_url: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Why there is no claim; `lease_s` is what is left of another's."""

    state: State
    error: str | None
    lease_s: float
