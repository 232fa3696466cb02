"""A customer: what is kept of one, what a change makes of it, and how the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from payments.domain.addresses import address

PREFIX: Final = "cus"
INVOICE_PREFIX_DIGITS: Final = 8
_INVOICE_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"

_OF_INVOICES: Final = ("custom_fields", "footer", "rendering_options")
_NO_RENDERING: Final[dict[str, Any]] = {"amount_tax_display": None, "template": None}

# What stands in `profile`, and what a customer begins with.
BLANK: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "address": None,
        "balance": 0,
        "business_name": None,
        "custom_fields": None,
        "default_source": None,
        "description": None,
        "footer": None,
        "individual_name": None,
        "invoice_prefix": None,
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": (),
        "rendering_options": None,
        "shipping": None,
        "tax_exempt": "none",
    }
)


@dataclass(frozen=True, slots=True)
class Customer:
    """The row of customers; `profile` has the keys of BLANK, less those that are as in BLANK."""

    id: str
    account_id: str
    email: str | None
    default_payment_method: str | None
    profile: Mapping[str, Any]
    metadata: Mapping[str, str]
    created_at: datetime


def profile_of(held: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """`held` after a change by the parameters of a request; a hash is replaced as a whole."""
    change = {name: params[name] for name in BLANK if name in params}
    settings = params.get("invoice_settings", {})
    change |= {
        name: settings[name] for name in ("custom_fields", "footer", "rendering_options") if name in settings
    }
    if change.get("address") is not None:
        change["address"] = address(change["address"])
    if change.get("shipping") is not None:
        change["shipping"] = _shipping(change["shipping"])
    if change.get("rendering_options") is not None:
        change["rendering_options"] = {"amount_tax_display": None, "template": None} | change[
            "rendering_options"
        ]
    merged = {**held, **change}
    # '' unsets: None stands for what a customer begins with, which needs no place in the row.
    return {name: value for name, value in merged.items() if value is not None and value != BLANK[name]}


def _shipping(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": address(params.get("address")),
        "carrier": params.get("carrier"),
        "name": params.get("name"),
        "phone": params.get("phone"),
        "tracking_number": params.get("tracking_number"),
    }


def invoice_prefix(customer_id: str) -> str:
    """Eight digits and capitals from the random end of the id."""
    value = int.from_bytes(customer_id[-11:].encode())
    digits = []
    for _ in range(INVOICE_PREFIX_DIGITS):
        value, digit = divmod(value, len(_INVOICE_ALPHABET))
        digits.append(_INVOICE_ALPHABET[digit])
    return "".join(digits)


def render(row: Customer) -> dict[str, Any]:
    shown = {**BLANK, **row.profile}
    return {
        "id": row.id,
        "object": "customer",
        "address": shown["address"],
        "balance": shown["balance"],
        "business_name": shown["business_name"],
        "created": int(row.created_at.timestamp()),
        "currency": None,
        "customer_account": None,
        "default_source": shown["default_source"],
        "delinquent": False,
        "description": shown["description"],
        "discount": None,
        "email": row.email,
        "individual_name": shown["individual_name"],
        "invoice_prefix": shown["invoice_prefix"] or invoice_prefix(row.id),
        "invoice_settings": {
            "custom_fields": shown["custom_fields"],
            "default_payment_method": row.default_payment_method,
            "footer": shown["footer"],
            "rendering_options": shown["rendering_options"],
        },
        "livemode": False,
        "metadata": row.metadata,
        "name": shown["name"],
        "next_invoice_sequence": shown["next_invoice_sequence"],
        "phone": shown["phone"],
        "preferred_locales": shown["preferred_locales"],
        "shipping": shown["shipping"],
        "tax_exempt": shown["tax_exempt"],
        "test_clock": None,
    }


def render_deleted(customer_id: str) -> dict[str, Any]:
    return {"id": customer_id, "object": "customer", "deleted": True}
