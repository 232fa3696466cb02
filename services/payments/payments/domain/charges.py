"""A charge: what one attempt to pay came to, and how the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from payments.domain.declines import Decline
from payments.domain.payment_intents import PaymentIntent
from payments.domain.payment_methods import PaymentMethod, render_card

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
DESCRIPTOR: Final = "SIGNALBOX"
_PAYMENT_DETAILS: Final = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
_SHOWN: Final = (
    "description",
    "receipt_email",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
)


@dataclass(frozen=True, slots=True)
class Charge:
    """The row of charges, in the order in which it is read; amounts in minor units.

    `amount_refunded` counts refunds that are pending too. `details` is what is only shown.
    """

    id: str
    account_id: str
    payment_intent: str
    bank_charge_id: str | None
    status: str
    amount: int
    amount_captured: int
    amount_refunded: int
    currency: str
    captured: bool
    voided: bool
    customer: str | None
    payment_method: str
    payment_method_details: Mapping[str, Any]
    billing_details: Mapping[str, Any]
    outcome: Mapping[str, Any]
    failure_code: str | None
    failure_message: str | None
    balance_transaction: str | None
    metadata: Mapping[str, str]
    details: Mapping[str, Any]
    created_at: datetime


def of_attempt(
    charge_id: str,
    intent: PaymentIntent,
    method: PaymentMethod,
    *,
    bank_charge_id: str | None,
    decline: Decline | None,
    authenticated: bool,
    at: datetime,
) -> Charge:
    """What the bank's answer to an authorisation leaves behind; `decline` None when it said yes."""
    taken = decline is None and not intent.captures_later
    return Charge(
        id=charge_id,
        account_id=intent.account_id,
        payment_intent=intent.id,
        bank_charge_id=bank_charge_id,
        status=SUCCEEDED if decline is None else FAILED,
        amount=intent.amount,
        amount_captured=intent.amount if taken else 0,
        amount_refunded=0,
        currency=intent.currency,
        captured=taken,
        voided=False,
        customer=intent.customer,
        payment_method=method.id,
        payment_method_details=_payment_method_details(method, intent, authenticated=authenticated),
        billing_details=method.billing_details,
        outcome=_outcome(decline),
        failure_code=None if decline is None else decline.code,
        failure_message=None if decline is None else decline.message,
        balance_transaction=None,
        metadata=intent.metadata,
        details={name: intent.details[name] for name in _SHOWN if intent.details.get(name) is not None},
        created_at=at,
    )


def captured(charge: Charge, amount: int, balance_transaction: str) -> Charge:
    return replace(charge, captured=True, amount_captured=amount, balance_transaction=balance_transaction)


def _outcome(decline: Decline | None) -> dict[str, Any]:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if decline is None else "declined_by_network",
        "reason": None if decline is None else decline.decline_code or decline.code,
        "risk_level": "normal",
        "seller_message": (
            "Payment complete."
            if decline is None
            else "The bank did not return any further details with this decline."
        ),
        "type": "authorized" if decline is None else "issuer_declined",
    }


def _payment_method_details(
    method: PaymentMethod, intent: PaymentIntent, *, authenticated: bool
) -> dict[str, Any]:
    shown = render_card(replace(method, checked=True))
    card = {name: shown[name] for name in _PAYMENT_DETAILS}
    card |= {
        "amount_authorized": intent.amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": shown["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": shown["brand"],
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": intent.amount, "status": "unavailable"},
        "regulated_status": shown["regulated_status"],
        "three_d_secure": _three_d_secure() if authenticated else None,
        "wallet": None,
    }
    return {"card": card, "type": "card"}


def _three_d_secure() -> dict[str, Any]:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "version": "2.2.0",
    }


def render(charge: Charge) -> dict[str, Any]:
    details = charge.details
    suffix = details.get("statement_descriptor_suffix")
    return {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": charge.balance_transaction,
        "billing_details": charge.billing_details,
        "calculated_statement_descriptor": DESCRIPTOR if suffix is None else f"{DESCRIPTOR}* {suffix}",
        "captured": charge.captured,
        "created": int(charge.created_at.timestamp()),
        "currency": charge.currency,
        "customer": charge.customer,
        "description": details.get("description"),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": charge.failure_code,
        "failure_message": charge.failure_message,
        "fraud_details": details.get("fraud_details", {}),
        "livemode": False,
        "metadata": charge.metadata,
        "on_behalf_of": None,
        "outcome": charge.outcome,
        "paid": charge.status == SUCCEEDED,
        "payment_intent": charge.payment_intent,
        "payment_method": charge.payment_method,
        "payment_method_details": charge.payment_method_details,
        "radar_options": {},
        "receipt_email": details.get("receipt_email"),
        "receipt_number": None,
        "receipt_url": None,
        "refunded": charge.captured and charge.amount_refunded == charge.amount_captured,
        "review": None,
        "shipping": details.get("shipping"),
        "source": None,
        "source_transfer": None,
        "statement_descriptor": details.get("statement_descriptor"),
        "statement_descriptor_suffix": suffix,
        "status": charge.status,
        "transfer_data": None,
        "transfer_group": details.get("transfer_group"),
    }
