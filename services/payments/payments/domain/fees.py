"""What a charge costs the merchant, and when its money becomes available."""

from datetime import datetime, timedelta
from typing import Final

from payments.domain.money import THREE_DECIMAL

RATE_PER_MILLE: Final = 29
FIXED: Final = 30
SETTLEMENT: Final = timedelta(days=2)


def fee(amount: int, currency: str) -> int:
    """2.9 % of `amount`, rounded half up, and a fixed part: 30 minor units, 300 where a unit has 1,000."""
    fixed = FIXED * 10 if currency in THREE_DECIMAL else FIXED
    return (amount * RATE_PER_MILLE + 500) // 1000 + fixed


def available_on(captured_at: datetime, *, bypass_pending: bool = False) -> datetime:
    """Two days after the capture; at once for the test card that bypasses the pending balance."""
    return captured_at if bypass_pending else captured_at + SETTLEMENT
