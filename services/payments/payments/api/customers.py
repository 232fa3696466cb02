"""Routes of customers, and of their payment methods."""

from typing import Final

from payments.api.fields import ADDRESS, SHIPPING, Email, InvoicePrefix
from payments.dialect.params import (
    Boolean,
    Choice,
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
from payments.domain.payment_method_types import CARD, OTHER_TYPES
from payments.usecases import customers as usecases
from payments.usecases import payment_methods

_CUSTOM_FIELD: Final = Hash({"name": Text(max=40, required=True), "value": Text(max=140, required=True)})
_INVOICE_SETTINGS: Final[dict[str, Field]] = {
    "custom_fields": ListOf(_CUSTOM_FIELD, 4, nullable=True),
    "default_payment_method": Id("pm", nullable=True),
    "footer": Text(nullable=True),
    "rendering_options": Hash(
        {
            "amount_tax_display": Choice("exclude_tax", "include_inclusive_tax", nullable=True),
            "template": Text(),
        },
        nullable=True,
    ),
}
_FIELDS: Final[dict[str, Field]] = {
    "address": Hash(ADDRESS, nullable=True),
    "balance": Integer(),
    "business_name": Text(max=150, nullable=True),
    "description": Text(nullable=True),
    "email": Email(nullable=True),
    "individual_name": Text(max=150, nullable=True),
    "invoice_prefix": InvoicePrefix(nullable=True),
    "invoice_settings": Hash(_INVOICE_SETTINGS),
    "metadata": Metadata(),
    "name": Text(max=256, nullable=True),
    "next_invoice_sequence": Integer(1, 1_000_000_000),
    "phone": Text(nullable=True),
    "preferred_locales": ListOf(Text(max=35), 25, nullable=True),
    "shipping": Hash(SHIPPING, nullable=True),
    "source": Text(),
    "tax_exempt": Choice("exempt", "none", "reverse", nullable=True),
    "validate": Boolean(),
}
_METHODS: Final[dict[str, Field]] = {
    "type": Choice(CARD, *OTHER_TYPES),
    "allow_redisplay": Choice("always", "limited", "unspecified"),
}

ROUTES: Final = (
    Route(
        "POST",
        "/v1/customers",
        usecases.create,
        params={**_FIELDS, "payment_method": Id("pm")},
        noun="customer",
        summary="Create a customer",
    ),
    Route(
        "GET",
        "/v1/customers",
        usecases.list_all,
        params={"email": Text(max=512), "created": TimeRange()},
        noun="customer",
        list=True,
        summary="List customers",
    ),
    Route("GET", "/v1/customers/{id}", usecases.retrieve, noun="customer", summary="Retrieve a customer"),
    Route(
        "POST",
        "/v1/customers/{id}",
        usecases.update,
        params={**_FIELDS, "default_source": Text()},
        noun="customer",
        summary="Update a customer",
    ),
    Route("DELETE", "/v1/customers/{id}", usecases.delete, noun="customer", summary="Delete a customer"),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods",
        payment_methods.list_of_customer,
        params=_METHODS,
        noun="payment_method",
        list=True,
        summary="List the payment methods of a customer",
    ),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods/{payment_method}",
        payment_methods.retrieve_of_customer,
        noun="payment_method",
        summary="Retrieve a payment method of a customer",
    ),
)
