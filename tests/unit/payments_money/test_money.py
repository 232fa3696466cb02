"""Fees, shown amounts, rendered refunds and balances, and the comparison with the bank's book."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from payments.domain import balance_transactions, balances, refunds
from payments.domain.balance_transactions import BalanceTransaction
from payments.domain.balances import Held as HeldMoney
from payments.domain.fees import available_on, fee
from payments.domain.money import shown
from payments.domain.proof import Booked, Held, difference
from payments.domain.refunds import Refund, Refundable, RefundError, amount_of

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHARGE = Refundable("ch_1", "pi_1", "bch_1", 1000, 0, "usd")
REFUND = Refund(
    id="re_1",
    account_id="acct_1",
    charge="ch_1",
    payment_intent="pi_1",
    amount=400,
    currency="usd",
    status="succeeded",
    reason="duplicate",
    failure_reason=None,
    metadata={"a": "b"},
    bank_refund_id="brf_1",
    balance_transaction="txn_1",
    failure_balance_transaction=None,
    announced=True,
    version=2,
    created_at=AT,
    updated_at=AT,
)
MOVED = BalanceTransaction(
    "txn_1", "acct_1", "charge", "ch_1", 1000, 59, 941, "usd", None, AT + timedelta(days=2), AT
)
BOOKED = Booked("bch_1", "bop_1", 1000, 700, 200, "usd", "captured")
HELD = Held("bop_1", "bop_1", "bch_1", 1000, 700, 200, "usd", "captured", ())


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [(1000, "usd", 59), (1, "usd", 30), (50, "eur", 31), (1000, "jpy", 59), (10_000, "kwd", 590)],
)
def test_a_charge_costs_a_share_and_a_fixed_part(amount: int, currency: str, expected: int) -> None:
    assert fee(amount, currency) == expected


def test_half_a_cent_is_rounded_up() -> None:
    assert fee(500, "usd") == 15 + 30


def test_money_is_pending_for_two_days_unless_the_card_bypasses_that() -> None:
    assert available_on(AT) == AT + timedelta(days=2)
    assert available_on(AT, bypass_pending=True) == AT


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1050, "usd", "$10.50"),
        (5, "eur", "€0.05"),
        (123_456_789, "jpy", "¥123,456,789"),
        (1050, "chf", "10.50 CHF"),
        (1050, "kwd", "1.050 KWD"),
    ],
)
def test_amounts_are_shown_as_people_write_them(amount: int, currency: str, expected: str) -> None:
    assert shown(amount, currency) == expected


def test_too_large_a_refund_is_told_what_is_left() -> None:
    with pytest.raises(RefundError, match=r"\(\$10\.01\) is greater than charge amount \(\$10\.00\)"):
        amount_of(CHARGE, 1001)
    with pytest.raises(RefundError, match=r"\(\$7\.00\) is greater than unrefunded amount .* \(\$6\.00\)"):
        amount_of(replace(CHARGE, amount_refunded=400), 700)
    with pytest.raises(RefundError, match="Charge ch_1 has already been refunded") as error:
        amount_of(replace(CHARGE, amount_refunded=1000), 1)
    assert error.value.code == "charge_already_refunded"


def test_a_refund_tells_of_its_failure_only_when_it_failed() -> None:
    succeeded = refunds.render(REFUND)
    assert succeeded["object"] == "refund"
    assert {"failure_reason", "failure_balance_transaction", "pending_reason"} & succeeded.keys() == set()

    failed = refunds.render(
        replace(REFUND, status="failed", failure_reason="declined", failure_balance_transaction="txn_2")
    )
    assert (failed["failure_reason"], failed["failure_balance_transaction"]) == ("declined", "txn_2")

    pending = refunds.render(replace(REFUND, status="pending", balance_transaction=None))
    assert (pending["pending_reason"], pending["balance_transaction"]) == ("processing", None)


@pytest.mark.parametrize(
    ("bank", "ours"), [("declined", "declined"), ("sunspots", "unknown"), (None, "unknown")]
)
def test_a_failure_reason_is_one_of_the_dialects(bank: str | None, ours: str) -> None:
    assert refunds.failure_reason_of(bank) == ours


def test_a_balance_transaction_becomes_available_by_the_clock() -> None:
    pending = balance_transactions.render(MOVED, AT)
    assert (pending["status"], pending["net"], pending["exchange_rate"]) == ("pending", 941, None)
    assert pending["fee_details"][0]["amount"] == pending["fee"] == 59
    assert balance_transactions.render(MOVED, MOVED.available_on)["status"] == "available"
    assert balance_transactions.render(replace(MOVED, fee=0, net=1000), AT)["fee_details"] == []


def test_an_account_that_never_had_money_has_a_balance_of_zero() -> None:
    empty = balances.render([])
    assert empty["available"] == [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]
    assert empty["available"] == empty["pending"]


def test_a_balance_has_a_line_a_currency() -> None:
    shown_ = balances.render([HeldMoney("eur", 5, 0), HeldMoney("usd", -3, 7)])
    assert [line["amount"] for line in shown_["available"]] == [5, -3]
    assert [line["amount"] for line in shown_["pending"]] == [0, 7]


def test_the_book_and_we_agree_on_everything_or_the_difference_is_told() -> None:
    assert difference(BOOKED, HELD) is None
    assert "of no operation of ours" in (difference(BOOKED, None) or "")
    for changed in (
        replace(BOOKED, id="bch_2"),
        replace(BOOKED, amount=1001),
        replace(BOOKED, captured=701),
        replace(BOOKED, refunded=0),
        replace(BOOKED, currency="eur"),
        replace(BOOKED, status="voided"),
    ):
        told = difference(changed, HELD)
        assert told is not None
        assert told.count(" there, ") == 1
