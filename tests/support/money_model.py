"""Payments as arithmetic: what each operation must do to money, without a database, a bank or time.

The property tests run it by itself; the integration tests run it beside the real service and compare.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from payments.domain.fees import fee
from payments.domain.ledger import BANK_CLEARING, FEES, Entry, Kind, Posting, merchant
from payments.domain.refunds import Refundable, RefundError, amount_of

ACCOUNT = "acct_model"
AT = datetime(2026, 1, 1, tzinfo=UTC)
GOOD, DECLINED, REFUND_FAILS = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_refundFail"


@dataclass
class Intent:
    """`refunds` holds amounts and whether the bank made them."""

    amount: int
    currency: str
    manual: bool
    card: str
    status: str = "requires_confirmation"
    captured: int = 0
    refunds: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def refunded(self) -> int:
        return sum(amount for amount, made in self.refunds if made)


class Refused(Exception):  # noqa: N818 a refusal is what it is
    """The operation is not allowed now; it changed nothing."""


class Model:
    """The ledger and the bank's book after any sequence of operations."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.entries: list[Entry] = []
        self.postings = 0

    def create(self, *, amount: int, currency: str, manual: bool, card: str) -> Intent:
        intent = Intent(amount, currency, manual, card)
        self.intents.append(intent)
        return intent

    def confirm(self, intent: Intent) -> str:
        """The status after it; a decline goes back for another card."""
        _must_be(intent, "requires_confirmation")
        if intent.card == DECLINED:
            intent.status = "requires_payment_method"
        elif intent.manual:
            intent.status = "requires_capture"
        else:
            self._charge(intent, intent.amount)
        return intent.status

    def capture(self, intent: Intent, amount: int | None) -> None:
        _must_be(intent, "requires_capture")
        if amount is not None and amount > intent.amount:
            raise Refused
        self._charge(intent, amount or intent.amount)

    def cancel(self, intent: Intent) -> None:
        _must_be(intent, "requires_payment_method", "requires_confirmation", "requires_capture")
        intent.status = "canceled"

    def refund(self, intent: Intent, amount: int | None) -> int:
        """What was given back, or would have been: the bank refuses those of one card."""
        if not intent.captured:
            raise Refused
        charge = Refundable("ch", "pi", "bch", intent.captured, intent.refunded, intent.currency)
        try:
            taken = amount_of(charge, amount)
        except RefundError as error:
            raise Refused from error
        made = intent.card != REFUND_FAILS
        intent.refunds.append((taken, made))
        self._post("refund", -taken, 0, intent.currency)
        if not made:
            self._post("refund_failure", taken, 0, intent.currency)
        return taken

    def balance(self) -> dict[str, int]:
        """What the merchant is owed, by currency."""
        return {currency: -total for currency, total in self.totals(merchant(ACCOUNT)).items()}

    def totals(self, account: str) -> Counter[str]:
        totals: Counter[str] = Counter()
        for entry in self.entries:
            if entry.account == account:
                totals[entry.currency] += entry.amount
        return totals

    def check(self) -> None:
        """Every invariant of money."""
        for intent in self.intents:
            assert 0 <= intent.refunded <= intent.captured <= intent.amount
            assert (intent.captured > 0) == (intent.status == "succeeded")
        sums = Counter[str]()
        for entry in self.entries:
            sums[entry.currency] += entry.amount
        assert not any(sums.values()), sums
        for currency in {intent.currency for intent in self.intents}:
            own = [intent for intent in self.intents if intent.currency == currency]
            kept = sum(intent.captured - intent.refunded for intent in own)
            charged = sum(fee(intent.captured, currency) for intent in own if intent.captured)
            assert self.totals(BANK_CLEARING)[currency] == kept
            assert self.totals(FEES)[currency] == -charged
            assert self.balance().get(currency, 0) == kept - charged

    def _charge(self, intent: Intent, amount: int) -> None:
        intent.status, intent.captured = "succeeded", amount
        self._post("charge", amount, fee(amount, intent.currency), intent.currency)

    def _post(self, kind: Kind, amount: int, fee_: int, currency: str) -> None:
        self.postings += 1
        posting = Posting(
            id=f"txn_{self.postings}",
            account_id=ACCOUNT,
            kind=kind,
            source=f"source_{self.postings}",
            amount=amount,
            fee=fee_,
            currency=currency,
            at=AT,
            available_on=AT,
        )
        self.entries += posting.entries


def _must_be(intent: Intent, *statuses: str) -> None:
    if intent.status not in statuses:
        raise Refused
