"""What the parameters of a setup intent make of it, and which of them are refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from payments.dialect.errors import InvalidRequest
from payments.dialect.metadata import merged_metadata
from payments.domain import setup_intents as domain
from payments.domain.ids import new_id, new_secret
from payments.domain.payment_method_types import CARD
from payments.domain.setup_intents import SetupIntent, Status
from payments.usecases.attachments import Change

_KEPT: Final = (
    "allowed_payment_method_types",
    "description",
    "excluded_payment_method_types",
    "flow_directions",
    "payment_method_options",
    "payment_method_types",
    "return_url",
)


def new_intent(change: Change, params: Mapping[str, Any]) -> SetupIntent:
    intent_id = new_id(domain.PREFIX, change.at)
    automatic = None if params.get("payment_method_types") else {"allow_redirects": "always", "enabled": True}
    if "automatic_payment_methods" in params:
        automatic = {"allow_redirects": "always", **params["automatic_payment_methods"]}
    return SetupIntent(
        id=intent_id,
        account_id=change.account_id,
        status=Status.REQUIRES_PAYMENT_METHOD,
        client_secret=f"{intent_id}_secret_{new_secret()}",
        customer_id=params.get("customer"),
        payment_method_id=None,
        usage=params.get("usage", domain.OFF_SESSION),
        cancellation_reason=None,
        last_setup_error=None,
        next_action=None,
        authentication_token=None,
        details={"automatic_payment_methods": automatic, **_details(params)},
        metadata=merged_metadata({}, params.get("metadata")),
        created_at=change.at,
    )


def changed_terms(intent: SetupIntent, params: Mapping[str, Any]) -> SetupIntent:
    """The intent after an update or with the parameters of a confirm, its payment method apart."""
    _check_types(params)
    details = {**intent.details, **_details(params)}
    metadata = intent.metadata
    if "metadata" in params:
        metadata = merged_metadata(intent.metadata, params["metadata"])
    return replace(
        intent,
        customer_id=params.get("customer", intent.customer_id),
        details=details,
        metadata=metadata,
    )


def _details(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in _KEPT if name in params}


def check_create(params: Mapping[str, Any]) -> None:
    _check_types(params)
    if not params.get("confirm"):
        early = next(
            (name for name in ("return_url", "mandate_data", "single_use") if params.get(name)), None
        )
        if early is not None:
            raise InvalidRequest(
                f"The parameter `{early}` can only be used when `confirm` is set to true.", early
            )
    automatic = params.get("automatic_payment_methods", {})
    if automatic.get("enabled") and params.get("payment_method_types"):
        raise _exclusive("automatic_payment_methods", "payment_method_types")


def _check_types(params: Mapping[str, Any]) -> None:
    if params.get("payment_method") is not None and "payment_method_data" in params:
        raise _exclusive("payment_method", "payment_method_data")
    for name in ("payment_method_types", "allowed_payment_method_types"):
        types = params.get(name)
        if types is not None and CARD not in types:
            raise InvalidRequest(
                f'The payment method type "{types[0] if types else ""}" is invalid. This account takes cards:'
                f" `{name}` must hold `card`.",
                name,
            )


def _exclusive(*names: str) -> InvalidRequest:
    return InvalidRequest(
        f"You may only specify one of these parameters: {', '.join(names)}.",
        names[-1],
        "parameters_exclusive",
    )
