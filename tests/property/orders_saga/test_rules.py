"""Any interleaving of an order's facts: late, twice, lost, out of turn, with a cancel anywhere among them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from orders.domain import facts
from orders.domain.calls import OPERATIONS, Answer, Call, Unknown, facts_of
from orders.domain.facts import Fact
from orders.domain.rules import decide
from orders.domain.saga import COMMANDS, MONEY, Command, State, Terms, begin
from orders.domain.timeline import ENDS, Step

from tests.support.saga_world import FarEnd, Shelf

TERMS = Terms(
    reservation=timedelta(minutes=15),
    step_timeout=timedelta(seconds=30),
    step_timeout_max=timedelta(seconds=300),
    give_up_after=timedelta(minutes=30),
)
START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
PAUSE = timedelta(seconds=1)

LUCK = ("yes", "yes", "yes", "yes", "no", "later", "action")
# What usually happens is drawn as often as all that rarely does.
USUAL = ("go_on",) * 14
RARE = (
    "call_gets_no_answer",
    "call_never_leaves",
    "executor_dies",
    "executor_stalls",
    "stalled_answer_arrives",
    "reply_comes_again",
    "payments_event_arrives",
    "reservation_runs_out",
    "bank_says_yes",
    "bank_says_no",
    "time_passes",
    "half_an_hour_passes",
    "sweeper_passes",
    "operator_pushes",
)
moves = st.tuples(st.sampled_from(USUAL + RARE), st.sampled_from(LUCK), st.integers(0, 7))


class World:
    """One order between its shelf, its money, its customer and an operator."""

    def __init__(self) -> None:
        self.now = START
        self.saga = begin("ord_1", "acme", self.now, TERMS)
        self.rows: list[Step] = []
        self.commands: list[Command] = [Command.RESERVE]
        self.shelf = Shelf()
        self.far_end = FarEnd()
        self.replies: list[Fact] = []
        self.claimed: list[Call] = []
        self.stalled: list[tuple[Call, Answer]] = []
        self.answered: list[tuple[Call, Answer]] = []
        self.heard: list[Fact] = []
        self.cancelled = False

    def learn(self, fact: Fact) -> None:
        before = self.saga
        decision = decide(before, fact, self.now, TERMS)
        if decision.ignored is not None:
            assert decision.saga == before
            assert not decision.rows
            assert decision.command is None
            return
        assert decision.saga.version == before.version + 1
        self.saga = decision.saga
        self.rows += [row.step for row in decision.rows]
        if decision.command is not None:
            self.commands.append(decision.command)
        self.check()

    def check(self) -> None:
        assert self.far_end.captures <= 1, "captured twice"
        assert self.far_end.refunded <= self.far_end.captures, "refunded twice"
        ends = [row for row in self.rows if row in ENDS]
        assert len(ends) == (self.saga.state is State.DONE)
        assert (self.saga.due_at is None) == (
            self.saga.state is State.DONE or self.saga.stuck_since is not None
        )
        if ends:
            assert self.rows[-1] is ends[0]
            self._is_settled(ends[0])

    def _is_settled(self, end: Step) -> None:
        """An end is told when nothing is left to be given back."""
        if self.cancelled:
            assert end is Step.CANCELLED
        if end is Step.COMPLETED:
            assert self.far_end.paid, "completed without the money"
            assert self.shelf.sold, "completed without the goods"
        else:
            assert not self.far_end.holds, "money is kept"
            assert not self.shelf.holds, "stock is kept"
            assert end is Step.CANCELLED or self.saga.reason is not None

    # --- what usually happens

    def go_on(self, luck: str, _which: int) -> None:
        if self.answered:
            self.settle(self.answered.pop(0))
        elif self.claimed:
            call = self.claimed.pop(0)
            self.answered.append((call, self.far_end.call(call, luck)))
        elif self.replies:
            self.heard.append(self.replies[0])
            self.learn(self.replies.pop(0))
        elif self.commands:
            self.replies.append(self.shelf.ask(self.commands.pop(0), luck=luck != "no"))
        else:
            self.claim()

    def claim(self) -> None:
        saga = self.saga
        if saga.state not in MONEY or saga.due_at is None:
            return
        self.now = max(self.now, saga.due_at)
        self.saga = replace(
            saga, fencing=saga.fencing + 1, attempts=saga.attempts + 1, due_at=self.now + LEASE
        )
        self.claimed.append(
            Call(
                order_id=saga.order_id,
                tenant_id=saga.tenant_id,
                operation=OPERATIONS[saga.state],
                attempts=self.saga.attempts,
                polling=saga.polling,
                round=saga.round,
                fencing=self.saga.fencing,
                payment_intent_id=saga.payment_intent_id,
                refund_id=saga.refund_id,
                amount=100,
                currency="eur",
                payment_method="pm_card_visa",
                traceparent=None,
            )
        )

    def settle(self, done: tuple[Call, Answer]) -> None:
        call, answer = done
        for fact in facts_of(call.operation, answer, self.now + PAUSE):
            if call.fencing == self.saga.fencing:
                self.learn(fact)

    # --- what rarely does

    def call_gets_no_answer(self, luck: str, _which: int) -> None:
        if self.claimed:
            call = self.claimed.pop(0)
            self.far_end.call(call, luck)
            self.answered.append((call, Unknown("timeout")))

    def call_never_leaves(self, _luck: str, _which: int) -> None:
        if self.claimed:
            self.answered.append((self.claimed.pop(0), Unknown("breaker open")))

    def executor_dies(self, luck: str, which: int) -> None:
        """Before the call, or after it and before its answer was written down."""
        if self.claimed:
            call = self.claimed.pop(0)
            if which % 2:
                self.far_end.call(call, luck)

    def executor_stalls(self, luck: str, _which: int) -> None:
        if self.claimed:
            call = self.claimed.pop(0)
            self.stalled.append((call, self.far_end.call(call, luck)))

    def stalled_answer_arrives(self, _luck: str, which: int) -> None:
        if self.stalled:
            self.settle(self.stalled.pop(which % len(self.stalled)))

    def reply_comes_again(self, _luck: str, which: int) -> None:
        if self.heard:
            self.learn(self.heard[which % len(self.heard)])

    def payments_event_arrives(self, _luck: str, which: int) -> None:
        if self.far_end.told:
            self.learn(self.far_end.told[which % len(self.far_end.told)])

    def reservation_runs_out(self, _luck: str, _which: int) -> None:
        if self.shelf.expire():
            self.replies.append(facts.ReservationExpired())

    def bank_says_yes(self, _luck: str, _which: int) -> None:
        self.far_end.resolve(yes=True)

    def bank_says_no(self, _luck: str, _which: int) -> None:
        self.far_end.resolve(yes=False)

    def time_passes(self, _luck: str, which: int) -> None:
        self.now += timedelta(seconds=60 * which)

    def half_an_hour_passes(self, _luck: str, _which: int) -> None:
        self.now += timedelta(seconds=1801)
        self.learn(facts.GaveUp())

    def sweeper_passes(self, _luck: str, _which: int) -> None:
        self.learn(facts.StepOverdue())
        self.learn(facts.GaveUp())

    def operator_pushes(self, _luck: str, _which: int) -> None:
        self.learn(facts.Pushed())

    def customer_cancels(self) -> None:
        if self.saga.state is not State.DONE:
            self.cancelled = True
        self.learn(facts.CancelRequested())

    def finish(self) -> None:
        """With patience and a kind world every order ends, and nothing that is under way changes its end."""
        for _ in range(100):
            if self.saga.state is State.DONE:
                break
            self.now += timedelta(seconds=10)
            self.far_end.resolve(yes=True)
            if self.saga.stuck_since is not None:
                self.operator_pushes("yes", 0)
            self.go_on("yes", 0)
        assert self.saga.state is State.DONE, self.saga
        while self.commands:
            self.replies.append(self.shelf.ask(self.commands.pop(0), luck=True))
        for fact in [*self.replies, *self.heard, *self.far_end.told]:
            self.learn(fact)
        while self.stalled:
            self.settle(self.stalled.pop())
        self.check()


@settings(max_examples=1500)
@given(st.lists(moves, max_size=40), st.none() | st.integers(0, 25))
def test_every_order_ends_once_and_gives_back_what_it_does_not_keep(
    plan: list[tuple[str, str, int]], cancel_at: int | None
) -> None:
    world = World()
    for at, (name, luck, which) in enumerate(plan):
        if at == cancel_at:
            world.customer_cancels()
        getattr(world, name)(luck, which)
        world.check()
    world.finish()


@given(st.lists(st.integers(0, 40), max_size=6))
def test_without_misfortune_an_order_completes_whatever_comes_twice(repeats: list[int]) -> None:
    world = World()
    for at in range(60):
        world.go_on("yes", 0)
        if at in repeats:
            world.reply_comes_again("yes", at)
            world.payments_event_arrives("yes", at)
    assert world.rows == [
        Step.STOCK_RESERVED,
        Step.PAYMENT_AUTHORISED,
        Step.STOCK_CONFIRMED,
        Step.PAYMENT_CAPTURED,
        Step.COMPLETED,
    ]


def test_every_state_either_asks_inventory_or_calls_payments_or_is_the_end() -> None:
    assert set(COMMANDS) | MONEY | {State.DONE} == set(State)
    assert set(OPERATIONS) == MONEY
