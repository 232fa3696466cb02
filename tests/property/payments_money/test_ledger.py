"""Postings, fees and amounts, whatever numbers they get."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payments.domain.fees import fee
from payments.domain.ledger import BANK_CLEARING, FEES, Kind, Posting, imbalance, merchant
from payments.domain.money import decimals, shown
from payments.domain.refunds import Refundable, RefundError, amount_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
currencies = st.sampled_from(["usd", "eur", "jpy", "kwd", "chf"])
amounts = st.integers(1, 99_999_999)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["charge", "refund", "refund_failure"])


@given(kinds, st.integers(-99_999_999, 99_999_999), st.integers(0, 10_000), currencies)
def test_every_posting_is_zero_and_says_what_the_merchant_sees(
    kind: Kind, amount: int, taken: int, currency: str
) -> None:
    posting = Posting(
        id="txn_1",
        account_id="acct_1",
        kind=kind,
        source="ch_1",
        amount=amount,
        fee=taken,
        currency=currency,
        at=AT,
        available_on=AT,
    )
    moved = {entry.account: entry.amount for entry in posting.entries}

    assert imbalance(posting.entries) == {}
    assert 0 not in moved.values()
    assert moved.get(BANK_CLEARING, 0) == amount
    assert moved.get(FEES, 0) == -taken
    assert moved.get(merchant("acct_1"), 0) == -posting.net


@given(amounts, amounts, currencies)
def test_a_larger_charge_never_costs_less(one: int, other: int, currency: str) -> None:
    small, large = sorted((one, other))
    assert 0 < fee(small, currency) <= fee(large, currency)


@given(amounts, st.integers(0, 99_999_999), st.none() | amounts)
def test_what_may_be_refunded_is_what_is_left(captured: int, refunded: int, wanted: int | None) -> None:
    refunded = min(refunded, captured)
    charge = Refundable("ch_1", "pi_1", "bch_1", captured, refunded, "usd")
    left = captured - refunded
    if left == 0 or (wanted is not None and wanted > left):
        with pytest.raises(RefundError) as error:
            amount_of(charge, wanted)
        assert (error.value.code == "charge_already_refunded") == (left == 0)
        return
    assert amount_of(charge, wanted) == (left if wanted is None else wanted)


@given(st.integers(0, 10**12), currencies)
def test_a_shown_amount_can_be_read_back(amount: int, currency: str) -> None:
    digits = "".join(letter for letter in shown(amount, currency) if letter.isdigit())
    assert int(digits) == amount
    assert ("." in shown(amount, currency)) == (decimals(currency) > 0)
