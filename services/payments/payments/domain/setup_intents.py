"""The state machine of a setup intent: a card is made ready for later payments, and no money moves.

requires_payment_method -> requires_confirmation -> succeeded
        ^                        |      |-> requires_action -> succeeded
        +--- declined -----------+------+-> requires_payment_method (declined, or not authenticated)

All but succeeded end in canceled when asked to. Cards never stay in `processing`: the bank is not called.
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
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


PREFIX: Final = "seti"
OPEN: Final = (Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION, Status.REQUIRES_ACTION)
# What is set up, and for whom; it may change as long as nothing was.
TERMS: Final = frozenset(
    {"customer", "payment_method", "payment_method_data", "payment_method_options", "payment_method_types"}
)
OFF_SESSION: Final = "off_session"
_CARD_OPTIONS: Final[Mapping[str, Any]] = {
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}


@dataclass(frozen=True, slots=True)
class SetupIntent:
    """The row of setup_intents, in the order in which it is read.

    `details` is what the caller gave and only gets back. `authentication_token` is in the address of the
    authentication page.
    """

    id: str
    account_id: str
    status: Status
    client_secret: str
    customer_id: str | None
    payment_method_id: str | None
    usage: str
    cancellation_reason: str | None
    last_setup_error: Mapping[str, Any] | None
    next_action: Mapping[str, Any] | None
    authentication_token: str | None
    details: Mapping[str, Any]
    metadata: Mapping[str, str]
    created_at: datetime


def refusal(intent: SetupIntent, verb: str, done: str, allowed: Sequence[Status] = OPEN) -> str | None:
    """Why the state forbids it: `refusal(intent, "cancel", "canceled")`; None if it does not."""
    if intent.status in allowed:
        return None
    if verb == "confirm" and intent.status is Status.SUCCEEDED:
        return "You cannot confirm this SetupIntent because it has already succeeded."
    return (
        f"You cannot {verb} this SetupIntent because it has a status of {intent.status}. Only a SetupIntent"
        f" with one of the following statuses may be {done}: {', '.join(allowed)}."
    )


def with_payment_method(intent: SetupIntent, payment_method_id: str | None) -> SetupIntent:
    """Chosen, or taken away: what was asked of its holder is asked no more."""
    return replace(
        intent,
        payment_method_id=payment_method_id,
        status=Status.REQUIRES_PAYMENT_METHOD if payment_method_id is None else Status.REQUIRES_CONFIRMATION,
        next_action=None,
        authentication_token=None,
        last_setup_error=None,
    )


def requiring_action(intent: SetupIntent, token: str, url: str) -> SetupIntent:
    """The holder must authenticate on the page at `url`."""
    where = {"return_url": intent.details.get("return_url"), "url": url}
    return replace(
        intent,
        status=Status.REQUIRES_ACTION,
        next_action={"redirect_to_url": where, "type": "redirect_to_url"},
        authentication_token=token,
        last_setup_error=None,
    )


def succeeded(intent: SetupIntent) -> SetupIntent:
    return replace(
        intent,
        status=Status.SUCCEEDED,
        next_action=None,
        authentication_token=None,
        last_setup_error=None,
    )


def failed(intent: SetupIntent, error: Mapping[str, Any]) -> SetupIntent:
    """Declined, or not authenticated: another payment method is needed."""
    return replace(with_payment_method(intent, None), last_setup_error=error)


def canceled(intent: SetupIntent, reason: str | None) -> SetupIntent:
    return replace(
        intent,
        status=Status.CANCELED,
        cancellation_reason=reason,
        next_action=None,
        authentication_token=None,
    )


def render(intent: SetupIntent) -> dict[str, Any]:
    details = intent.details
    options = details.get("payment_method_options") or {}
    return {
        "id": intent.id,
        "object": "setup_intent",
        "allowed_payment_method_types": details.get("allowed_payment_method_types"),
        "application": None,
        "automatic_payment_methods": details.get("automatic_payment_methods"),
        "cancellation_reason": intent.cancellation_reason,
        "client_secret": intent.client_secret,
        "created": int(intent.created_at.timestamp()),
        "customer": intent.customer_id,
        "customer_account": None,
        "description": details.get("description"),
        "excluded_payment_method_types": details.get("excluded_payment_method_types"),
        "flow_directions": details.get("flow_directions"),
        "last_setup_error": intent.last_setup_error,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": intent.metadata,
        "next_action": intent.next_action,
        "on_behalf_of": None,
        "payment_method": intent.payment_method_id,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {**_CARD_OPTIONS, **(options.get("card") or {})}},
        "payment_method_types": details.get("payment_method_types") or ["card"],
        "single_use_mandate": None,
        "status": intent.status,
        "usage": intent.usage,
    }
