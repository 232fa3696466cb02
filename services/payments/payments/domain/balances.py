"""The balance of an account: what the ledger says we owe it, by currency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# What an account without any movement is shown; its currency where money never moved.
DEFAULT_CURRENCY: Final = "usd"


@dataclass(frozen=True, slots=True)
class Held:
    """Minor units of one currency; negative when refunds took more than was there."""

    currency: str
    available: int
    pending: int


def render(held: Sequence[Held]) -> dict[str, Any]:
    shown = held or [Held(DEFAULT_CURRENCY, 0, 0)]
    return {
        "object": "balance",
        "available": [_line(one.currency, one.available) for one in shown],
        "livemode": False,
        "pending": [_line(one.currency, one.pending) for one in shown],
    }


def _line(currency: str, amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}
