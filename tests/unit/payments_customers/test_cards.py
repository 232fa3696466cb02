"""The test cards: which there are, what they do, and what a refusal of theirs is called."""

import pytest
from payments.domain import cards
from payments.domain.card import fingerprint, passes_luhn
from payments.domain.declines import decline_of

# As Stripe's documentation of its test mode lists them.
PUBLISHED = {
    "pm_card_visa": ("4242", "visa", "credit"),
    "pm_card_visa_debit": ("5556", "visa", "debit"),
    "pm_card_mastercard": ("4444", "mastercard", "credit"),
    "pm_card_mastercard_debit": ("8210", "mastercard", "debit"),
    "pm_card_mastercard_prepaid": ("5100", "mastercard", "prepaid"),
    "pm_card_amex": ("0005", "amex", "credit"),
    "pm_card_discover": ("1117", "discover", "credit"),
    "pm_card_diners": ("0004", "diners", "credit"),
    "pm_card_jcb": ("0505", "jcb", "credit"),
    "pm_card_unionpay": ("0005", "unionpay", "credit"),
}
DECLINED_ON_ATTACH = {
    "chargeDeclined": ("card_declined", "generic_decline"),
    "chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "chargeDeclinedExpiredCard": ("expired_card", None),
    "chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "chargeDeclinedProcessingError": ("processing_error", None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_card_is_found_by_name_token_and_number(name: str) -> None:
    card = cards.by_payment_method(name)
    assert card is not None
    assert (card.last4, card.brand, card.funding) == PUBLISHED[name]
    assert cards.by_token(name.replace("pm_card_", "tok_")) == card
    assert cards.by_number(card.number) == card
    assert card.declines_on_attach is None


@pytest.mark.parametrize("name", DECLINED_ON_ATTACH)
def test_a_declining_card_tells_what_it_declines_with(name: str) -> None:
    card = cards.by_payment_method(f"pm_card_{name}")
    assert card is not None
    assert card == cards.by_payment_method(f"pm_card_visa_{name}") == cards.by_token(f"tok_{name}")
    decline = decline_of(card.declines_on_attach)
    assert (decline.code, decline.decline_code) == DECLINED_ON_ATTACH[name]


def test_a_card_that_declines_after_attaching_attaches() -> None:
    card = cards.by_payment_method("pm_card_chargeCustomerFail")
    assert card is not None
    assert (card.bank_token, card.declines_on_attach) == ("bank_declined", None)


@pytest.mark.parametrize("fault", ["Slow", "Hang", "Error", "Reset", "ReplyLost", "Outage"])
def test_every_fault_of_the_bank_has_a_card(fault: str) -> None:
    card = cards.by_payment_method(f"pm_card_bank{fault}")
    assert card is not None
    assert card.bank_token.replace("_", "") == f"bank{fault}".lower()


@pytest.mark.parametrize(
    "name", ["visa", "tok_visa", "pm_card_", "pm_card_nobody", "pm_0351Hu2VRcMJbIyeUbloX1"]
)
def test_other_words_name_no_card(name: str) -> None:
    assert cards.by_payment_method(name) is None


def test_names_numbers_and_codes_are_what_they_should_be() -> None:
    names = [name for card in cards.CARDS for name in (card.name, *card.aliases)]
    assert len(names) == len(set(names))
    assert all(passes_luhn(card.number) for card in cards.CARDS)
    numbers = {card.number for card in cards.CARDS}
    # Only the card of the United States goes by two names.
    assert len(cards.CARDS) - len(numbers) == 1
    assert all(card.bank_token.startswith("bank_") for card in cards.CARDS)


def test_an_unknown_refusal_of_the_bank_is_a_generic_decline() -> None:
    assert decline_of("do_not_honor_of_next_year") == decline_of("generic_decline")
    assert decline_of(None).decline_code == "generic_decline"


def test_a_fingerprint_is_of_number_and_account() -> None:
    visa, us = cards.by_name("visa"), cards.by_name("us")
    assert fingerprint("acct_one", visa) == fingerprint("acct_one", us)
    assert fingerprint("acct_one", visa) != fingerprint("acct_two", visa)
    assert fingerprint("acct_one", visa) != fingerprint("acct_one", cards.by_name("mastercard"))


@pytest.mark.parametrize(
    ("name", "off_session", "set_up", "asked"),
    [
        ("visa", False, False, False),
        ("authenticationRequired", True, True, True),
        ("authenticationRequiredOnSetup", False, False, True),
        ("authenticationRequiredOnSetup", True, False, True),
        ("authenticationRequiredOnSetup", True, True, False),
        ("authenticationRequiredOnSetup", False, True, True),
        ("authenticationRequiredSetupForOffSession", True, False, False),
        ("authenticationRequiredSetupForOffSession", False, False, True),
    ],
)
def test_a_holder_is_asked_when_the_card_says_so(
    *, name: str, off_session: bool, set_up: bool, asked: bool
) -> None:
    card = cards.by_name(name)
    assert card.needs_authentication(off_session=off_session, set_up=set_up) is asked
