"""The state machine of a payment intent: pure functions from one row to the next.

requires_payment_method -> requires_confirmation -> processing -> succeeded
        ^                        |    ^                |-> requires_capture -> processing -> succeeded
        |                        v    |                |-> requires_action -> processing
        +------------------- requires_action <---------+-> requires_payment_method (declined)

`processing` is also what an intent is in while a call to the bank has no known outcome. All but succeeded and
canceled may end in canceled; from requires_capture by a void at the bank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class Status(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


CONFIRMABLE: Final = (Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION)
CANCELABLE: Final = (
    Status.REQUIRES_PAYMENT_METHOD,
    Status.REQUIRES_CAPTURE,
    Status.REQUIRES_CONFIRMATION,
    Status.REQUIRES_ACTION,
)
CAPTURABLE: Final = (Status.REQUIRES_CAPTURE,)
# What a payment will be made of; it may change as long as none was made.
TERMS: Final = frozenset(
    {
        "amount", "currency", "customer", "payment_method", "payment_method_data", "payment_method_types",
        "payment_method_options", "capture_method", "setup_future_usage", "application_fee_amount",
        "statement_descriptor", "statement_descriptor_suffix",
    }
)  # fmt: skip
MANUAL: Final = "manual"


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """The row of payment_intents, in the order in which it is read; amounts in minor units.

    `details` is what the caller gave and only gets back. `authenticated`: the holder proved who they are, and
    the next attempt may say so. `authentication_token` is in the address of the authentication page.
    """

    id: str
    account_id: str
    status: Status
    amount: int
    currency: str
    capture_method: str
    confirmation_method: str
    client_secret: str
    created_at: datetime
    details: Mapping[str, Any]
    metadata: Mapping[str, str]
    customer: str | None = None
    payment_method: str | None = None
    setup_future_usage: str | None = None
    amount_capturable: int = 0
    amount_received: int = 0
    latest_charge: str | None = None
    last_payment_error: Mapping[str, Any] | None = None
    next_action: Mapping[str, Any] | None = None
    cancellation_reason: str | None = None
    canceled_at: datetime | None = None
    authenticated: bool = False
    authentication_token: str | None = None
    version: int = 1

    @property
    def captures_later(self) -> bool:
        return self.capture_method == MANUAL


def refusal(intent: PaymentIntent, verb: str, done: str, allowed: Sequence[Status]) -> str | None:
    """Why the state forbids it: `refusal(intent, "cancel", "canceled", CANCELABLE)`; None if it does not."""
    if intent.status in allowed:
        return None
    if verb == "confirm" and intent.status is Status.SUCCEEDED:
        return (
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously"
            " confirmed."
        )
    noun = "one of the following statuses" if len(allowed) > 1 else "the following status"
    return (
        f"You cannot {verb} this PaymentIntent because it has a status of {intent.status}. Only a"
        f" PaymentIntent with {noun} may be {done}: {', '.join(allowed)}."
    )


def refused_term(intent: PaymentIntent, names: Sequence[str]) -> str | None:
    """The first of the parameters of an update that may not change any more."""
    if intent.status in CONFIRMABLE:
        return None
    return next((name for name in names if name in TERMS), None)


def with_payment_method(intent: PaymentIntent, payment_method: str | None) -> PaymentIntent:
    """Chosen, or taken away: what was authenticated no longer is."""
    return replace(
        intent,
        payment_method=payment_method,
        status=Status.REQUIRES_PAYMENT_METHOD if payment_method is None else Status.REQUIRES_CONFIRMATION,
        next_action=None,
        authentication_token=None,
        authenticated=False,
        last_payment_error=None,
    )


def confirming(intent: PaymentIntent) -> PaymentIntent:
    """The bank is being asked."""
    return replace(
        intent,
        status=Status.PROCESSING,
        next_action=None,
        authentication_token=None,
        last_payment_error=None,
    )


def requiring_action(intent: PaymentIntent, token: str, url: str, return_url: str | None) -> PaymentIntent:
    """The holder must authenticate on the page at `url`."""
    action = {"redirect_to_url": {"return_url": return_url, "url": url}, "type": "redirect_to_url"}
    return replace(
        intent,
        status=Status.REQUIRES_ACTION,
        next_action=action,
        authentication_token=token,
        authenticated=False,
        last_payment_error=None,
    )


def authenticated(intent: PaymentIntent) -> PaymentIntent:
    """The holder proved who they are; with manual confirmation the caller confirms again."""
    return replace(
        intent,
        status=Status.REQUIRES_CONFIRMATION,
        authenticated=True,
        authentication_token=None,
        next_action=None,
    )


def authorised(intent: PaymentIntent, charge_id: str) -> PaymentIntent:
    """The bank said yes; unless it is to be captured later, the money is ours."""
    later = intent.captures_later
    return replace(
        intent,
        status=Status.REQUIRES_CAPTURE if later else Status.SUCCEEDED,
        amount_capturable=intent.amount if later else 0,
        amount_received=0 if later else intent.amount,
        latest_charge=charge_id,
        authenticated=False,
        last_payment_error=None,
    )


def failed(intent: PaymentIntent, error: Mapping[str, Any], charge_id: str | None = None) -> PaymentIntent:
    """Declined, or not authenticated: another payment method is needed."""
    return replace(
        intent,
        status=Status.REQUIRES_PAYMENT_METHOD,
        payment_method=None,
        next_action=None,
        authentication_token=None,
        authenticated=False,
        last_payment_error=error,
        latest_charge=charge_id or intent.latest_charge,
    )


def asking(intent: PaymentIntent) -> PaymentIntent:
    """A capture or a void is under way: nothing else may begin."""
    return replace(intent, status=Status.PROCESSING)


def captured(intent: PaymentIntent, amount: int) -> PaymentIntent:
    """The rest of what was authorised is released."""
    return replace(intent, status=Status.SUCCEEDED, amount_capturable=0, amount_received=amount)


def not_moved(intent: PaymentIntent) -> PaymentIntent:
    """The bank would neither capture nor void: still authorised."""
    return replace(intent, status=Status.REQUIRES_CAPTURE)


def canceled(intent: PaymentIntent, reason: str | None, at: datetime) -> PaymentIntent:
    return replace(
        intent,
        status=Status.CANCELED,
        amount_capturable=0,
        cancellation_reason=reason,
        canceled_at=at,
        next_action=None,
        authentication_token=None,
    )


def _card_options(given: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    return shown | {name: value for name, value in given.items() if value is not None}


def render(intent: PaymentIntent) -> dict[str, Any]:
    details = intent.details
    types = details.get("payment_method_types") or ["card"]
    options = details.get("payment_method_options") or {}
    at = intent.canceled_at
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_received,
        "application": None,
        "application_fee_amount": details.get("application_fee_amount"),
        "automatic_payment_methods": details.get("automatic_payment_methods"),
        "canceled_at": None if at is None else int(at.timestamp()),
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": intent.confirmation_method,
        "created": int(intent.created_at.timestamp()),
        "currency": intent.currency,
        "customer": intent.customer,
        "customer_account": None,
        "description": details.get("description"),
        "excluded_payment_method_types": details.get("excluded_payment_method_types"),
        "last_payment_error": intent.last_payment_error,
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": intent.metadata,
        "next_action": intent.next_action,
        "on_behalf_of": details.get("on_behalf_of"),
        "payment_method": intent.payment_method,
        "payment_method_configuration_details": None,
        "payment_method_options": {**options, "card": _card_options(options.get("card") or {})},
        "payment_method_types": types,
        "processing": None,
        "receipt_email": details.get("receipt_email"),
        "review": None,
        "setup_future_usage": intent.setup_future_usage,
        "shipping": details.get("shipping"),
        "source": None,
        "statement_descriptor": details.get("statement_descriptor"),
        "statement_descriptor_suffix": details.get("statement_descriptor_suffix"),
        "status": intent.status,
        "transfer_data": None,
        "transfer_group": details.get("transfer_group"),
    }
