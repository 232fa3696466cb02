"""Routes of setup intents: a customer's card, made ready for later payments."""

from typing import Final

from payments.api.payment_methods import DATA
from payments.dialect.params import (
    AnyHash,
    Boolean,
    Choice,
    Field,
    Hash,
    Id,
    ListOf,
    Metadata,
    Text,
    TimeRange,
)
from payments.dialect.routes import Route
from payments.usecases import setup_intents as usecases

_CARD_OPTIONS: Final[dict[str, Field]] = {
    "mandate_options": AnyHash(),
    "moto": Boolean(),
    "network": Text(),
    "request_three_d_secure": Choice("any", "automatic", "challenge"),
    "setup_credential_usage": Text(),
    "three_d_secure": AnyHash(),
}
_SHOWN: Final[dict[str, Field]] = {
    "description": Text(max=1_000, nullable=True),
    "metadata": Metadata(),
}
_TERMS: Final[dict[str, Field]] = {
    "payment_method": Id("pm", nullable=True),
    "payment_method_data": Hash(DATA),
    "payment_method_options": Hash({"card": Hash(_CARD_OPTIONS, nullable=True), "link": AnyHash()}),
}
_CUSTOMER: Final[dict[str, Field]] = {
    "customer": Id("cus"),
    "payment_method_types": ListOf(Text()),
    "allowed_payment_method_types": ListOf(Text(), nullable=True),
    "excluded_payment_method_types": ListOf(Text(), nullable=True),
    "flow_directions": ListOf(Choice("inbound", "outbound")),
    "payment_method_configuration": Text(),
    "attach_to_self": Boolean(),
}
_CONFIRM: Final[dict[str, Field]] = {
    # Cards need no mandate: taken and not used.
    "mandate_data": AnyHash(nullable=True),
    "return_url": Text(),
    "use_stripe_sdk": Boolean(),
}
_SECRET: Final[dict[str, Field]] = {"client_secret": Text()}

ROUTES: Final = (
    Route(
        "POST",
        "/v1/setup_intents",
        usecases.create,
        params={
            **_SHOWN,
            **_TERMS,
            **_CUSTOMER,
            **_CONFIRM,
            "automatic_payment_methods": Hash(
                {"enabled": Boolean(required=True), "allow_redirects": Choice("always", "never")}
            ),
            "confirm": Boolean(),
            "on_behalf_of": Text(),
            "single_use": AnyHash(),
            "usage": Choice("off_session", "on_session"),
        },
        noun="setup_intent",
        summary="Create a setup intent, and confirm it if wished",
    ),
    Route(
        "GET",
        "/v1/setup_intents",
        usecases.list_all,
        params={
            "attach_to_self": Boolean(),
            "created": TimeRange(),
            "customer": Id("cus"),
            "payment_method": Id("pm"),
        },
        noun="setup_intent",
        list=True,
        summary="List setup intents",
    ),
    Route(
        "GET",
        "/v1/setup_intents/{id}",
        usecases.retrieve,
        params=_SECRET,
        noun="setup_intent",
        summary="Retrieve a setup intent",
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}",
        usecases.update,
        params={**_SHOWN, **_TERMS, **_CUSTOMER},
        noun="setup_intent",
        summary="Update a setup intent",
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}/confirm",
        usecases.confirm,
        params={**_TERMS, **_CONFIRM, **_SECRET},
        noun="setup_intent",
        summary="Set the card up",
    ),
    Route(
        "POST",
        "/v1/setup_intents/{id}/cancel",
        usecases.cancel,
        params={"cancellation_reason": Choice("abandoned", "duplicate", "requested_by_customer")},
        noun="setup_intent",
        summary="Cancel a setup intent",
    ),
)
