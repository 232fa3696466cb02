"""Balance transactions: a merchant's view of one movement on the ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# Every type that the dialect can be asked for; here money moves by three of them only.
TYPES: Final = (
    "adjustment", "advance", "advance_funding", "anticipation_repayment", "application_fee",
    "application_fee_refund", "charge", "climate_order_purchase", "climate_order_refund",
    "connect_collection_transfer", "contribution", "fee_credit_funding", "inbound_transfer",
    "inbound_transfer_reversal", "issuing_authorization_hold", "issuing_authorization_release",
    "issuing_dispute", "issuing_dispute_provisional_credit",
    "issuing_dispute_provisional_credit_reversal", "issuing_transaction", "obligation_outbound",
    "obligation_reversal_inbound", "payment", "payment_failure_refund", "payment_network_reserve_hold",
    "payment_network_reserve_release", "payment_refund", "payment_reversal", "payment_unreconciled",
    "payout", "payout_cancel", "payout_failure", "payout_minimum_balance_hold",
    "payout_minimum_balance_release", "refund", "refund_failure", "reserve_hold", "reserve_release",
    "reserve_transaction", "reserved_funds", "stripe_balance_payment_debit",
    "stripe_balance_payment_debit_reversal", "stripe_fee", "stripe_fx_fee", "tax_fee", "tax_fund",
    "topup", "topup_reversal", "transfer", "transfer_cancel", "transfer_failure", "transfer_refund",
)  # fmt: skip


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
