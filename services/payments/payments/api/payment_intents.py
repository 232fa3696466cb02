"""Routes of payment intents."""

from typing import Any, Final

from payments.api.fields import SHIPPING
from payments.api.payment_methods import DATA
from payments.dialect.errors import InvalidRequest
from payments.dialect.form import Raw
from payments.dialect.params import (
    AnyHash,
    Boolean,
    Choice,
    Currency,
    Field,
    Hash,
    Id,
    Integer,
    ListOf,
    Metadata,
    Text,
    TimeRange,
)
from payments.dialect.routes import Route
from payments.usecases import captures
from payments.usecases import payment_intents as usecases

_DESCRIPTOR_CHARS_MAX: Final = 22
_PAYMENT_METHOD_DATA: Final[dict[str, Field]] = {**DATA, "type": Text(required=True)}


class OffSession(Field):
    """A boolean, or one of the words that mean true."""

    def parse(self, raw: Raw, name: str) -> bool:
        return raw in {"one_off", "recurring"} or bool(Boolean().parse(raw, name))

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["one_off", "recurring"]}]}


class EmptyCard(Field):
    """`payment_method_options[card]` and its like: taken and shown again."""

    def parse(self, raw: Raw, name: str) -> dict[str, Raw]:
        if not isinstance(raw, dict):
            raise InvalidRequest("Invalid object", name)
        return {kind: {} if options == "" else options for kind, options in raw.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


_SHOWN: Final[dict[str, Field]] = {
    "description": Text(max=1_000, nullable=True),
    "metadata": Metadata(),
    "statement_descriptor": Text(max=_DESCRIPTOR_CHARS_MAX, nullable=True),
    "statement_descriptor_suffix": Text(max=_DESCRIPTOR_CHARS_MAX, nullable=True),
}
_TERMS: Final[dict[str, Field]] = {
    "payment_method": Id("pm", nullable=True),
    "payment_method_data": Hash(_PAYMENT_METHOD_DATA),
    "payment_method_options": EmptyCard(),
    "receipt_email": Text(max=512, nullable=True),
    "setup_future_usage": Choice("off_session", "on_session", nullable=True),
    "shipping": Hash(SHIPPING, nullable=True),
    "capture_method": Choice("automatic", "automatic_async", "manual"),
    "excluded_payment_method_types": ListOf(Text()),
    "allowed_payment_method_types": ListOf(Text()),
    # Of other countries' rules, of hosted pages and of levels 2 and 3: taken and not used.
    "amount_details": AnyHash(nullable=True),
    "payment_details": AnyHash(nullable=True),
    "hooks": AnyHash(),
}
_MONEY: Final[dict[str, Field]] = {
    "customer": Id("cus"),
    "payment_method_types": ListOf(Text()),
    "payment_method_configuration": Text(),
    "application_fee_amount": Integer(0, nullable=True),
    "transfer_group": Text(nullable=True),
}
_CONFIRM: Final[dict[str, Field]] = {
    "off_session": OffSession(),
    "error_on_requires_action": Boolean(),
    "return_url": Text(),
    "mandate": Text(),
    "mandate_data": AnyHash(nullable=True),
    "use_stripe_sdk": Boolean(),
    "radar_options": AnyHash(),
}
_SECRET: Final[dict[str, Field]] = {"client_secret": Text()}

_CREATE: Final[dict[str, Field]] = {
    "amount": Integer(1, required=True),
    "currency": Currency(required=True),
    "automatic_payment_methods": Hash(
        {"enabled": Boolean(required=True), "allow_redirects": Choice("always", "never")}
    ),
    "confirm": Boolean(),
    "confirmation_method": Choice("automatic", "manual"),
    "on_behalf_of": Text(),
    **_SHOWN,
    **_TERMS,
    **_MONEY,
    **_CONFIRM,
}
_UPDATE: Final[dict[str, Field]] = {
    "amount": Integer(1),
    "currency": Currency(),
    **_SHOWN,
    **_TERMS,
    **_MONEY,
    **_SECRET,
}
_CAPTURE: Final[dict[str, Field]] = {
    "amount_to_capture": Integer(1),
    "final_capture": Boolean(),
    "application_fee_amount": Integer(0),
    "amount_details": AnyHash(nullable=True),
    "payment_details": AnyHash(nullable=True),
    "hooks": AnyHash(),
    "metadata": Metadata(),
    "statement_descriptor": Text(max=_DESCRIPTOR_CHARS_MAX),
    "statement_descriptor_suffix": Text(max=_DESCRIPTOR_CHARS_MAX),
}
_REASONS: Final = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_NOUN: Final = usecases.NAME

ROUTES: Final = (
    Route(
        "POST",
        "/v1/payment_intents",
        usecases.create,
        params=_CREATE,
        noun=_NOUN,
        summary="Create a payment intent, and confirm it if wished",
    ),
    Route(
        "GET",
        "/v1/payment_intents",
        usecases.list_all,
        params={"customer": Id("cus"), "created": TimeRange()},
        noun=_NOUN,
        list=True,
        summary="List payment intents",
    ),
    Route(
        "GET",
        "/v1/payment_intents/{id}",
        usecases.retrieve,
        params=_SECRET,
        noun=_NOUN,
        summary="Retrieve a payment intent",
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}",
        usecases.update,
        params=_UPDATE,
        noun=_NOUN,
        summary="Update a payment intent",
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        usecases.confirm,
        params={**_TERMS, **_CONFIRM, **_SECRET},
        noun=_NOUN,
        summary="Pay",
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/capture",
        captures.capture,
        params=_CAPTURE,
        noun=_NOUN,
        summary="Take what was authorised, or a part of it",
    ),
    Route(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        captures.cancel,
        params={"cancellation_reason": Choice(*_REASONS), **_SECRET},
        noun=_NOUN,
        summary="Cancel, and void what was authorised",
    ),
)
