"""Ways to fail: what each does, and when it strikes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SLOW_DELAY_MS: Final = 2_000
HANG_DELAY_MS_MAX: Final = 60_000


class FaultKind(StrEnum):
    """All strike before the effect, except `reply_lost`; `decline` is the effect."""

    DECLINE = "decline"
    SLOW = "slow"
    HANG = "hang"
    ERROR = "error"
    RESET = "reset"
    REPLY_LOST = "reply_lost"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Fault:
    """Strikes a request with `probability`; `delay_ms` counts for `slow` and `hang`."""

    kind: FaultKind
    probability: float = 1.0
    delay_ms: int | None = None

    @property
    def delay_s(self) -> float:
        delay_ms = self.delay_ms
        if delay_ms is None:
            delay_ms = SLOW_DELAY_MS if self.kind is FaultKind.SLOW else HANG_DELAY_MS_MAX
        return min(delay_ms, HANG_DELAY_MS_MAX) / 1000

    def hits(self, operation: str) -> bool:
        """Look-ups are spared by everything but an outage."""
        return operation != "look_up" or self.kind is FaultKind.OUTAGE
