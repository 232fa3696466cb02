"""Balance transactions: a merchant's view of one movement on the ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """`amount`, `fee` and `net` are minor units; negative amounts leave the merchant's balance."""

    id: str
    account_id: str
    type: str
    source: str
    amount: int
    fee: int
    net: int
    currency: str
    description: str | None
    available_on: datetime
    created_at: datetime


def render(row: BalanceTransaction, now: datetime) -> dict[str, Any]:
    """`now` decides between pending and available."""
    return {
        "id": row.id,
        "object": "balance_transaction",
        "amount": row.amount,
        "available_on": int(row.available_on.timestamp()),
        "balance_type": "payments",
        "created": int(row.created_at.timestamp()),
        "currency": row.currency,
        "description": row.description,
        "exchange_rate": None,
        "fee": row.fee,
        "fee_details": _fee_details(row),
        "net": row.net,
        "reporting_category": row.type,
        "source": row.source,
        "status": "available" if row.available_on <= now else "pending",
        "type": row.type,
    }


def _fee_details(row: BalanceTransaction) -> list[dict[str, Any]]:
    if not row.fee:
        return []
    return [
        {
            "amount": row.fee,
            "application": None,
            "currency": row.currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
