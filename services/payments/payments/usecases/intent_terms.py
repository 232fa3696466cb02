"""What the parameters of a payment intent make of it, and which of them are refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.metadata import merged_metadata
from payments.domain import currencies
from payments.domain.addresses import address
from payments.domain.ids import new_id, new_secret
from payments.domain.money import shown
from payments.domain.payment_intents import PaymentIntent, Status
from payments.usecases.attachments import Change

Params = Mapping[str, Any]

_KEPT: Final = (
    "description", "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix",
    "payment_method_types", "payment_method_options", "excluded_payment_method_types", "on_behalf_of",
    "transfer_group", "application_fee_amount", "return_url",
)  # fmt: skip
_ONLY_WITH_CONFIRM: Final = (
    "off_session",
    "return_url",
    "error_on_requires_action",
    "mandate",
    "mandate_data",
)
_EMAIL_CHARS_MAX: Final = 254


def new_intent(change: Change, params: Params) -> PaymentIntent:
    """The intent that the parameters of a create describe, before its payment method is known.

    Raises InvalidRequest.
    """
    _check_create(params)
    amount, currency = params["amount"], params["currency"]
    check_amount(amount, currency)
    intent_id = new_id("pi")
    automatic = None if params.get("payment_method_types") else {"allow_redirects": "always", "enabled": True}
    if params.get("automatic_payment_methods"):
        automatic = {"allow_redirects": "always", **params["automatic_payment_methods"]}
    return PaymentIntent(
        id=intent_id,
        account_id=change.account_id,
        status=Status.REQUIRES_PAYMENT_METHOD,
        amount=amount,
        currency=currency,
        capture_method=params.get("capture_method", "automatic"),
        confirmation_method=params.get("confirmation_method", "automatic"),
        client_secret=f"{intent_id}_secret_{new_secret()}",
        created_at=change.at,
        details={"automatic_payment_methods": automatic, **_details(params)},
        metadata=merged_metadata({}, params.get("metadata")),
        customer=params.get("customer"),
        setup_future_usage=params.get("setup_future_usage"),
    )


def changed_terms(intent: PaymentIntent, params: Params) -> PaymentIntent:
    """The intent after an update or with the parameters of a confirm, its payment method apart.

    Raises InvalidRequest.
    """
    _check_both(params, "payment_method", "payment_method_data")
    _check_details(params)
    amount, currency = params.get("amount", intent.amount), params.get("currency", intent.currency)
    if (amount, currency) != (intent.amount, intent.currency):
        check_amount(amount, currency)
    details = {**intent.details, **_details(params)}
    if params.get("payment_method_types"):
        details["automatic_payment_methods"] = None
    metadata = intent.metadata
    if "metadata" in params:
        metadata = merged_metadata(intent.metadata, params["metadata"])
    return replace(
        intent,
        amount=amount,
        currency=currency,
        capture_method=params.get("capture_method", intent.capture_method),
        setup_future_usage=params.get("setup_future_usage", intent.setup_future_usage),
        customer=params.get("customer", intent.customer),
        details={name: value for name, value in details.items() if value is not None},
        metadata=metadata,
    )


def check_amount(amount: int, currency: str) -> None:
    """Raises InvalidRequest for a currency that is not taken, and for too little or too much of it."""
    if currency not in currencies.KNOWN:
        raise InvalidRequest(
            f"Invalid currency: {currency}. These currencies are supported: {', '.join(currencies.KNOWN)}",
            "currency",
        )
    least = currencies.amount_min(currency)
    if amount < least:
        raise InvalidRequest(
            f"Amount must be at least {shown(least, currency)} {currency}", "amount", "amount_too_small"
        )
    if amount > currencies.AMOUNT_MAX:
        raise InvalidRequest(
            f"Amount must be no more than {shown(currencies.AMOUNT_MAX, currency)}",
            "amount",
            "amount_too_large",
        )


def _check_create(params: Params) -> None:
    _check_both(params, "payment_method", "payment_method_data")
    if (params.get("automatic_payment_methods") or {}).get("enabled"):
        _check_both(params, "automatic_payment_methods", "payment_method_types")
    if not params.get("confirm"):
        early = next((name for name in _ONLY_WITH_CONFIRM if params.get(name)), None)
        if early is not None:
            raise InvalidRequest(
                f"The parameter `{early}` can only be used when `confirm` is set to true.", early
            )
    _check_details(params)


def _check_both(params: Params, *names: str) -> None:
    if all(params.get(name) is not None for name in names):
        raise InvalidRequest(
            f"You may only specify one of these parameters: {', '.join(names)}.",
            names[-1],
            "parameters_exclusive",
        )


def _check_details(params: Params) -> None:
    types = params.get("payment_method_types")
    if types is not None and "card" not in types:
        raise InvalidRequest(
            f'The payment method type "{types[0] if types else ""}" is invalid. This account takes payments'
            " by card: `payment_method_types` must hold `card`.",
            "payment_method_types",
            "payment_intent_invalid_parameter",
        )
    email = params.get("receipt_email")
    if email is not None and not _is_email(email):
        raise InvalidRequest(f"Invalid email address: {email}", "receipt_email", "email_invalid")
    url = params.get("return_url")
    if url is not None and not url.startswith(("https://", "http://")) and "://" not in url:
        raise InvalidRequest("Not a valid URL", "return_url", "url_invalid")


def _is_email(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(at and name and host) and len(text) <= _EMAIL_CHARS_MAX and not set(text) & set(" \t\r\n")


def _details(params: Params) -> dict[str, Any]:
    """What is only kept to be shown; None unsets."""
    details = {name: params[name] for name in _KEPT if name in params}
    if details.get("shipping") is not None:
        given = details["shipping"]
        plain = {name: given.get(name) for name in ("carrier", "name", "phone", "tracking_number")}
        details["shipping"] = {"address": address(given.get("address")), **plain}
    return details
