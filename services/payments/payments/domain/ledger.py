"""Double entry: what each movement of money books, and what the entries must always be.

Debits are positive, credits negative.

| account           | is                                               |
|-------------------|--------------------------------------------------|
| bank_clearing     | what the bank owes us: captured, less refunded   |
| merchant:acct_... | what we owe the merchant (negative while we owe) |
| fees              | what we earned                                   |
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Kind = Literal["charge", "refund", "refund_failure"]

BANK_CLEARING: Final = "bank_clearing"
FEES: Final = "fees"


@dataclass(frozen=True, slots=True)
class Entry:
    account: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A ledger transaction with its entries, and the merchant's view of it; amounts in minor units.

    `available_with` names a charge: the money becomes available no sooner than the charge's own.
    """

    id: str
    account_id: str
    kind: Kind
    source: str
    amount: int
    fee: int
    currency: str
    at: datetime
    available_on: datetime
    available_with: str | None = None
    description: str | None = None

    @property
    def net(self) -> int:
        return self.amount - self.fee

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Zero in sum; an account that nothing moves on has no entry."""
        moved = (
            (BANK_CLEARING, self.amount),
            (merchant(self.account_id), -self.net),
            (FEES, -self.fee),
        )
        return tuple(Entry(account, amount, self.currency) for account, amount in moved if amount)


def merchant(account_id: str) -> str:
    return f"merchant:{account_id}"


def imbalance(entries: Iterable[Entry]) -> dict[str, int]:
    """What the entries of each currency sum to, where that is not zero."""
    totals: Counter[str] = Counter()
    for entry in entries:
        totals[entry.currency] += entry.amount
    return {currency: total for currency, total in totals.items() if total}
