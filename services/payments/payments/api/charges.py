"""Routes of charges; they are made by confirming payment intents."""

from typing import Final

from payments.api.fields import SHIPPING
from payments.dialect.params import Choice, Field, Hash, Id, Metadata, Text, TimeRange
from payments.dialect.routes import Route
from payments.usecases import charges as usecases

_UPDATE: Final[dict[str, Field]] = {
    "customer": Id("cus"),
    "description": Text(nullable=True),
    "fraud_details": Hash({"user_report": Choice("fraudulent", "safe", nullable=True)}),
    "metadata": Metadata(),
    "receipt_email": Text(max=512, nullable=True),
    "shipping": Hash(SHIPPING),
    "transfer_group": Text(nullable=True),
}

ROUTES: Final = (
    Route(
        "GET",
        "/v1/charges",
        usecases.list_all,
        params={
            "payment_intent": Id("pi"),
            "customer": Id("cus"),
            "transfer_group": Text(),
            "created": TimeRange(),
        },
        noun=usecases.NAME,
        list=True,
        summary="List charges",
    ),
    Route("GET", "/v1/charges/{id}", usecases.retrieve, noun=usecases.NAME, summary="Retrieve a charge"),
    Route(
        "POST",
        "/v1/charges/{id}",
        usecases.update,
        params=_UPDATE,
        noun=usecases.NAME,
        summary="Update what is only shown of a charge",
    ),
)
