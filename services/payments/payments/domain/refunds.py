"""Refunds: how much of a charge may go back, and how a refund looks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from payments.domain.money import shown

PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"

FAILURE_REASONS: Final = frozenset(
    {"declined", "expired_or_canceled_card", "insufficient_funds", "lost_or_stolen_card", "merchant_request"}
)


@dataclass(frozen=True, slots=True)
class Refund:
    """One row of `refunds`; `amount` is in minor units."""

    id: str
    account_id: str
    charge: str
    payment_intent: str
    amount: int
    currency: str
    status: str
    reason: str | None
    failure_reason: str | None
    metadata: dict[str, str]
    bank_refund_id: str | None
    balance_transaction: str | None
    failure_balance_transaction: str | None
    announced: bool
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Refundable:
    """What of a charge decides about a refund; `amount_refunded` counts those that are pending too."""

    id: str
    payment_intent: str
    bank_charge_id: str
    amount_captured: int
    amount_refunded: int
    currency: str


class RefundError(Exception):
    """The charge does not allow this refund; `code` and `param` are the dialect's."""

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def amount_of(charge: Refundable, wanted: int | None) -> int:
    """What a refund of `wanted` minor units, or of all that is left, gives back; raises RefundError."""
    left = charge.amount_captured - charge.amount_refunded
    if left == 0:
        raise RefundError(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    if wanted is None:
        return left
    if wanted > left:
        asked = shown(wanted, charge.currency)
        what = "unrefunded amount on charge" if charge.amount_refunded else "charge amount"
        raise RefundError(
            f"Refund amount ({asked}) is greater than {what} ({shown(left, charge.currency)})",
            param="amount",
        )
    return wanted


def failure_reason_of(bank_reason: str | None) -> str:
    """The bank's words where the dialect has them."""
    return bank_reason if bank_reason in FAILURE_REASONS else "unknown"


def render(row: Refund) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": row.id,
        "object": "refund",
        "amount": row.amount,
        "balance_transaction": row.balance_transaction,
        "charge": row.charge,
        "created": int(row.created_at.timestamp()),
        "currency": row.currency,
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "pending" if row.status == PENDING else "refund",
            },
            "type": "card",
        },
        "metadata": row.metadata,
        "payment_intent": row.payment_intent,
        "reason": row.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": row.status,
        "transfer_reversal": None,
    }
    if row.status == PENDING:
        document["pending_reason"] = "processing"
    if row.status == FAILED:
        document["failure_reason"] = row.failure_reason
        document["failure_balance_transaction"] = row.failure_balance_transaction
    return document
