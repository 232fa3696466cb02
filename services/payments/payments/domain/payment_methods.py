"""A payment method: a test card with its dates, holder and owner, and how the API shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from payments.domain import cards
from payments.domain.addresses import address
from payments.domain.card import Card, fingerprint

_DISPLAY_BRANDS: Final = {"amex": "american_express", "diners": "diners_club", "unionpay": "union_pay"}


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """The row of payment_methods; `card_name` is the key of a test card."""

    id: str
    account_id: str
    customer_id: str | None
    card_name: str
    exp_month: int
    exp_year: int
    has_cvc: bool
    checked: bool
    set_up: bool
    spent: bool
    allow_redisplay: str
    billing_details: Mapping[str, Any]
    metadata: Mapping[str, str]
    created_at: datetime

    @property
    def card(self) -> Card:
        return cards.by_name(self.card_name)


def billing_details(held: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`held` after a change: each field it names is replaced, an address as a whole."""
    fields = {name: change.get(name, held.get(name)) for name in ("email", "name", "phone", "tax_id")}
    return {"address": address(change.get("address", held.get("address"))), **fields}


def render(row: PaymentMethod) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "payment_method",
        "allow_redisplay": row.allow_redisplay,
        "billing_details": row.billing_details,
        "card": render_card(row),
        "created": int(row.created_at.timestamp()),
        "customer": row.customer_id,
        "livemode": False,
        "metadata": row.metadata,
        "type": "card",
    }


def render_card(row: PaymentMethod) -> dict[str, Any]:
    """The `card` of a payment method."""
    card = row.card
    return {
        "brand": card.brand,
        "checks": checks(row),
        "country": card.country,
        "display_brand": _DISPLAY_BRANDS.get(card.brand, card.brand),
        "exp_month": row.exp_month,
        "exp_year": row.exp_year,
        "fingerprint": fingerprint(row.account_id, card),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.brand != "amex"},
        "wallet": None,
    }


def checks(row: PaymentMethod) -> dict[str, str | None]:
    """None for what was not given, "unchecked" until the bank has seen the card."""
    place = row.billing_details["address"]
    given = {
        "address_line1_check": bool(place["line1"]),
        "address_postal_code_check": bool(place["postal_code"]),
        "cvc_check": row.has_cvc,
    }
    return {name: _check(row, name) if is_given else None for name, is_given in given.items()}


def _check(row: PaymentMethod, name: str) -> str:
    if not row.checked:
        return "unchecked"
    return "fail" if row.card.failed_check == name else "pass"
