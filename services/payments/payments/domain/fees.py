"""What a charge costs the merchant, and when its money becomes available."""

from datetime import datetime, timedelta
from typing import Final

RATE_PER_MILLE: Final = 29
FIXED_CENTS: Final = 30
SETTLEMENT: Final = timedelta(days=2)

# Currencies whose minor unit is not a hundredth: the smallest of the first is the whole unit.
ZERO_DECIMAL: Final = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905 reads as a list
)
THREE_DECIMAL: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def fee(amount: int, currency: str) -> int:
    """2.9 % of `amount`, rounded half up, and a fixed part: 30 minor units, 300 where a unit has 1,000."""
    fixed = FIXED_CENTS * 10 if currency in THREE_DECIMAL else FIXED_CENTS
    return (amount * RATE_PER_MILLE + 500) // 1000 + fixed


def available_on(captured_at: datetime, *, bypass_pending: bool = False) -> datetime:
    """Two days after the capture; at once for the test card that bypasses the pending balance."""
    return captured_at if bypass_pending else captured_at + SETTLEMENT
