"""Any sequence of operations, in several currencies, as arithmetic: each step keeps every invariant."""

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.money_model import DECLINED, GOOD, REFUND_FAILS, Intent, Model, Refused

amounts = st.none() | st.integers(1, 12_000)


class Sequences(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @rule(
        amount=st.integers(1, 10_000),
        currency=st.sampled_from(["usd", "eur", "jpy", "kwd"]),
        manual=st.booleans(),
        card=st.sampled_from([GOOD, GOOD, DECLINED, REFUND_FAILS]),
    )
    def create(self, amount: int, currency: str, manual: bool, card: str) -> None:  # noqa: FBT001 hypothesis names them
        self.model.create(amount=amount, currency=currency, manual=manual, card=card)

    @precondition(lambda self: self.model.intents)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.model.confirm(self._one(data))

    @precondition(lambda self: self.model.intents)
    @rule(data=st.data(), amount=amounts)
    def capture(self, data: st.DataObject, amount: int | None) -> None:
        with suppress(Refused):
            self.model.capture(self._one(data), amount)

    @precondition(lambda self: self.model.intents)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        with suppress(Refused):
            self.model.cancel(self._one(data))

    @precondition(lambda self: self.model.intents)
    @rule(data=st.data(), amount=amounts)
    def refund(self, data: st.DataObject, amount: int | None) -> None:
        with suppress(Refused):
            self.model.refund(self._one(data), amount)

    @invariant()
    def every_cent_is_where_it_belongs(self) -> None:
        self.model.check()

    def _one(self, data: st.DataObject) -> Intent:
        return data.draw(st.sampled_from(self.model.intents))


TestSequences = Sequences.TestCase
