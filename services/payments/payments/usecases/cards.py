"""New payment methods: from a named test card, a test token, or one of the published numbers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from payments.dialect.errors import CardDeclined, InvalidRequest, ResourceMissing
from payments.dialect.metadata import merged_metadata
from payments.domain import cards
from payments.domain.card import Card, passes_luhn
from payments.domain.declines import decline_of
from payments.domain.ids import new_id
from payments.domain.payment_method_types import CARD, OTHER_TYPES
from payments.domain.payment_methods import PaymentMethod, billing_details

_YEARS_AHEAD_MAX = 50
_SEPARATORS = str.maketrans("", "", " -")
_DIGITS_MIN, _DIGITS_MAX = 12, 19


def refusal(bank_code: str | None, **members: Any) -> CardDeclined:
    """The card error of a bank's decline code; `members` (charge=, setup_intent=) join it."""
    decline = decline_of(bank_code)
    return CardDeclined(decline.code, decline.decline_code, decline.message, param=decline.param, **members)


def named(account_id: str, card: Card, at: datetime, *, prefix: str = "pm") -> PaymentMethod:
    """A payment method of a named test card: each use of the name makes another."""
    return _new(account_id, card, {}, at, prefix=prefix)


def from_params(account_id: str, params: Mapping[str, Any], at: datetime, within: str = "") -> PaymentMethod:
    """The payment method that the parameters of a create, or of a `payment_method_data`, describe.

    Raises InvalidRequest, ResourceMissing, CardDeclined; `within` stands before the names they tell.
    """
    _check_type(params, within)
    name = f"{within}[card]" if within else "card"
    given = params.get("card")
    if given is None:
        raise InvalidRequest(f"Missing required param: {name}.", name, "parameter_missing")
    if "token" in given:
        return _new(account_id, _of_token(given, name), params, at)
    card = _of_number(given, name)
    dates = given["exp_month"], full_year(given["exp_year"])
    check_expiry(*dates, at)
    _check_cvc(given.get("cvc"), card)
    return _new(account_id, card, params, at, dates=dates, has_cvc="cvc" in given)


def token_card(token: str, param: str) -> Card:
    """Raises ResourceMissing for a token that no test card has."""
    card = cards.by_token(token)
    if card is None:
        raise ResourceMissing("token", token, param)
    return card


def check_expiry(exp_month: int, exp_year: int, at: datetime) -> None:
    """Raises CardDeclined, as for a card that was typed wrong."""
    if not 1 <= exp_month <= 12:  # noqa: PLR2004 months of a year
        raise CardDeclined(
            "invalid_expiry_month", None, "Your card's expiration month is invalid.", param="exp_month"
        )
    if not at.year <= exp_year <= at.year + _YEARS_AHEAD_MAX:
        raise CardDeclined(
            "invalid_expiry_year", None, "Your card's expiration year is invalid.", param="exp_year"
        )
    if (exp_year, exp_month) < (at.year, at.month):
        raise CardDeclined(
            "invalid_expiry_month", None, "Your card's expiration month is invalid.", param="exp_month"
        )


def _new(
    account_id: str,
    card: Card,
    params: Mapping[str, Any],
    at: datetime,
    *,
    prefix: str = "pm",
    dates: tuple[int, int] | None = None,
    has_cvc: bool = True,
) -> PaymentMethod:
    exp_month, exp_year = dates or (at.month, at.year + 1)
    return PaymentMethod(
        id=new_id(prefix),
        account_id=account_id,
        customer_id=None,
        card_name=card.name,
        exp_month=exp_month,
        exp_year=exp_year,
        has_cvc=has_cvc,
        checked=False,
        set_up=False,
        spent=False,
        allow_redisplay=params.get("allow_redisplay", "unspecified"),
        billing_details=billing_details({}, params.get("billing_details", {})),
        metadata=merged_metadata({}, params.get("metadata")),
        created_at=at,
    )


def _check_type(params: Mapping[str, Any], within: str) -> None:
    name = f"{within}[type]" if within else "type"
    kind = params.get("type")
    if kind is None:
        raise InvalidRequest(f"Missing required param: {name}.", name, "parameter_missing")
    if kind != CARD:
        raise InvalidRequest(
            f"The payment method type provided: {kind} is invalid. This account takes the type `card` only.",
            name,
            "payment_method_unactivated",
        )
    other = next((key for key in params if key in OTHER_TYPES), None)
    if other is not None:
        param = f"{within}[{other}]" if within else other
        raise InvalidRequest(f"Received unknown parameter: {param}", param, "parameter_unknown")


def _of_token(given: Mapping[str, Any], name: str) -> Card:
    extra = next((key for key in given if key not in {"token", "networks"}), None)
    if extra is not None:
        raise InvalidRequest(
            f"You may not give {name}[{extra}] together with {name}[token].", f"{name}[{extra}]"
        )
    return token_card(given["token"], f"{name}[token]")


def _of_number(given: Mapping[str, Any], name: str) -> Card:
    for key in ("number", "exp_month", "exp_year"):
        if key not in given:
            raise InvalidRequest(
                f"Missing required param: {name}[{key}].", f"{name}[{key}]", "parameter_missing"
            )
    number = given["number"].translate(_SEPARATORS)
    card = cards.by_number(number)
    if card is not None:
        return card
    is_a_number = number.isascii() and number.isdigit() and _DIGITS_MIN <= len(number) <= _DIGITS_MAX
    if not is_a_number or not passes_luhn(number):
        raise CardDeclined("incorrect_number", None, "Your card number is incorrect.", param="number")
    raise CardDeclined(
        "card_declined",
        "test_mode_live_card",
        "Your card was declined. Your request was in test mode, but used a non test card.",
    )


def full_year(year: int) -> int:
    """Two digits are of this century."""
    return year + 2000 if 0 <= year < 100 else year  # noqa: PLR2004 two digits


def _check_cvc(cvc: str | None, card: Card) -> None:
    if cvc is not None and not (cvc.isascii() and cvc.isdigit() and len(cvc) in {3, card.cvc_digits}):
        raise CardDeclined("invalid_cvc", None, "Your card's security code is invalid.", param="cvc")
