"""Routes of payment methods: cards, by test token, by test card's name, or by a published test number."""

from typing import Final

from payments.api.fields import BILLING_DETAILS
from payments.dialect.params import AnyHash, Choice, Field, Hash, Id, Integer, Metadata, Text
from payments.dialect.routes import Route
from payments.domain.payment_method_types import CARD, OTHER_TYPES
from payments.usecases import payment_methods as usecases

_NETWORKS: Final = Hash({"preferred": Choice("cartes_bancaires", "mastercard", "visa", nullable=True)})
_REDISPLAY: Final = Choice("always", "limited", "unspecified")
_CARD: Final[dict[str, Field]] = {
    "cvc": Text(),
    "exp_month": Integer(),
    "exp_year": Integer(),
    "networks": _NETWORKS,
    "number": Text(),
    "token": Text(),
}
# What describes a new payment method, here and in the `payment_method_data` of intents. The hashes of types
# that are not taken are known, so that the refusal speaks of the type.
DATA: Final[dict[str, Field]] = {
    "allow_redisplay": _REDISPLAY,
    "billing_details": Hash(BILLING_DETAILS),
    "card": Hash(_CARD),
    "metadata": Metadata(),
    "radar_options": AnyHash(),
    "type": Choice(CARD, *OTHER_TYPES),
    **dict.fromkeys(OTHER_TYPES, AnyHash()),
}

ROUTES: Final = (
    Route(
        "POST",
        "/v1/payment_methods",
        usecases.create,
        params=DATA,
        noun="payment_method",
        summary="Create a payment method",
    ),
    Route(
        "GET",
        "/v1/payment_methods",
        usecases.list_all,
        params={
            "allow_redisplay": _REDISPLAY,
            "customer": Id("cus"),
            "type": Choice(CARD, *OTHER_TYPES),
        },
        noun="payment_method",
        list=True,
        summary="List payment methods",
    ),
    Route(
        "GET",
        "/v1/payment_methods/{id}",
        usecases.retrieve,
        noun="payment_method",
        summary="Retrieve a payment method",
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}",
        usecases.update,
        params={
            "allow_redisplay": _REDISPLAY,
            "billing_details": Hash(BILLING_DETAILS),
            "card": Hash({"exp_month": Integer(), "exp_year": Integer(), "networks": _NETWORKS}),
            "metadata": Metadata(),
        },
        noun="payment_method",
        summary="Update a payment method",
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/attach",
        usecases.attach,
        params={"customer": Id("cus", required=True)},
        noun="payment_method",
        summary="Attach a payment method to a customer",
    ),
    Route(
        "POST",
        "/v1/payment_methods/{id}/detach",
        usecases.detach,
        noun="payment_method",
        summary="Detach a payment method for good",
    ),
)
