"""What is shown of customers, payment methods and setup intents, and what events tell of a change."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from payments.domain import customers, payment_methods, setup_intents
from payments.domain.customers import Customer, profile_of
from payments.domain.differences import previous_attributes
from payments.domain.payment_methods import PaymentMethod, billing_details
from payments.domain.setup_intents import SetupIntent, Status

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
CUSTOMER = Customer("cus_0351Hu2VRcMJbIyeUbloX1", "acct_one", None, None, {}, {}, AT)
METHOD = PaymentMethod(
    id="pm_1",
    account_id="acct_one",
    customer_id=None,
    card_name="visa",
    exp_month=12,
    exp_year=2030,
    has_cvc=True,
    checked=False,
    set_up=False,
    spent=False,
    allow_redisplay="unspecified",
    billing_details=billing_details({}, {}),
    metadata={},
    created_at=AT,
)
INTENT = SetupIntent(
    id="seti_1",
    account_id="acct_one",
    status=Status.REQUIRES_CONFIRMATION,
    client_secret="seti_1_secret_2",
    customer_id=None,
    payment_method_id="pm_1",
    usage="off_session",
    cancellation_reason=None,
    last_setup_error=None,
    next_action=None,
    authentication_token=None,
    details={},
    metadata={},
    created_at=AT,
)


def test_an_empty_customer_shows_every_field() -> None:
    shown = customers.render(CUSTOMER)
    assert shown["object"] == "customer"
    assert shown["created"] == int(AT.timestamp())
    assert (shown["balance"], shown["tax_exempt"], shown["livemode"]) == (0, "none", False)
    assert shown["invoice_settings"]["default_payment_method"] is None
    assert len(shown["invoice_prefix"]) == 8
    assert shown["invoice_prefix"].isalnum()


def test_a_change_replaces_hashes_and_unsets_with_none() -> None:
    held = profile_of({}, {"name": "A", "address": {"city": "X", "line1": "1"}, "tax_exempt": "exempt"})
    changed = profile_of(held, {"address": {"city": "Y"}, "name": None, "tax_exempt": None})
    shown = customers.render(replace(CUSTOMER, profile=changed))
    assert shown["address"] == {
        "city": "Y", "country": None, "line1": None, "line2": None, "postal_code": None, "state": None,
    }  # fmt: skip
    assert (shown["name"], shown["tax_exempt"]) == (None, "none")
    assert changed.keys() == {"address"}


def test_invoice_settings_are_changed_one_by_one() -> None:
    held = profile_of(
        {}, {"invoice_settings": {"footer": "F", "custom_fields": [{"name": "a", "value": "b"}]}}
    )
    changed = profile_of(held, {"invoice_settings": {"rendering_options": {"template": "t"}}})
    shown = customers.render(replace(CUSTOMER, profile=changed))["invoice_settings"]
    assert shown["footer"] == "F"
    assert shown["custom_fields"] == [{"name": "a", "value": "b"}]
    assert shown["rendering_options"] == {"amount_tax_display": None, "template": "t"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 3, "b": 2}, {"a": 1}),
        ({"m": {"x": "1"}}, {"m": {"x": "1", "y": "2"}}, {"m": {"y": None}}),
        ({"m": {"x": "1", "y": "2"}}, {"m": {"y": "2"}}, {"m": {"x": "1"}}),
        ({"m": None}, {"m": {"x": "1"}}, {"m": None}),
        ({"m": {"x": "1"}}, {"m": None}, {"m": {"x": "1"}}),
    ],
)
def test_previous_attributes_are_the_old_values_of_what_changed(
    before: dict[str, Any], after: dict[str, Any], told: dict[str, Any]
) -> None:
    assert previous_attributes(before, after) == told


def test_checks_are_told_of_what_was_given_once_the_bank_has_seen_it() -> None:
    line1 = replace(
        METHOD, card_name="avsLine1Fail", billing_details=billing_details({}, {"address": {"line1": "1"}})
    )
    assert payment_methods.checks(line1) == {
        "address_line1_check": "unchecked",
        "address_postal_code_check": None,
        "cvc_check": "unchecked",
    }
    seen = payment_methods.checks(replace(line1, checked=True, has_cvc=False))
    assert seen == {"address_line1_check": "fail", "address_postal_code_check": None, "cvc_check": None}


def test_billing_details_are_changed_one_by_one() -> None:
    held = billing_details({}, {"name": "A", "email": "a@example.com", "address": {"city": "X"}})
    changed = billing_details(held, {"email": None})
    assert (changed["name"], changed["email"], changed["address"]["city"]) == ("A", None, "X")


def test_a_card_is_shown_without_its_number() -> None:
    shown = payment_methods.render(METHOD)
    assert shown["card"]["last4"] == "4242"
    assert "4242424242424242" not in repr(shown)


def test_brands_are_shown_in_words_for_people_too() -> None:
    amex = payment_methods.render_card(replace(METHOD, card_name="amex"))
    assert (amex["brand"], amex["display_brand"]) == ("amex", "american_express")


def test_a_setup_intent_shows_where_to_authenticate_only_while_it_must() -> None:
    asked = setup_intents.requiring_action(
        replace(INTENT, details={"return_url": "https://example.com"}), "t", "http://page/t"
    )
    shown = setup_intents.render(asked)
    assert shown["next_action"] == {
        "redirect_to_url": {"return_url": "https://example.com", "url": "http://page/t"},
        "type": "redirect_to_url",
    }
    for after in (
        setup_intents.succeeded(asked),
        setup_intents.failed(asked, {"code": "x"}),
        setup_intents.canceled(asked, None),
        setup_intents.with_payment_method(asked, "pm_2"),
    ):
        assert setup_intents.render(after)["next_action"] is None
        assert after.authentication_token is None


@pytest.mark.parametrize("status", Status)
def test_only_an_open_setup_intent_moves(status: Status) -> None:
    why = setup_intents.refusal(replace(INTENT, status=status), "cancel", "canceled")
    assert (why is None) == (status in setup_intents.OPEN)
    if why is not None:
        assert f"status of {status}" in why
