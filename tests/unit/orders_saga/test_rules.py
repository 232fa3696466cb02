"""Single decisions that a reader of the saga would ask about first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from orders.domain import facts
from orders.domain.facts import Fact
from orders.domain.rules import decide
from orders.domain.saga import Command, Decision, Reason, Saga, State, Terms, begin
from orders.domain.timeline import Step

AT = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(
    reservation=timedelta(minutes=15),
    step_timeout=timedelta(seconds=30),
    step_timeout_max=timedelta(seconds=100),
    give_up_after=timedelta(minutes=30),
)


def saga(state: State, **changed: object) -> Saga:
    made = replace(begin("ord_1", "acme", AT, TERMS), state=state, attempts=0, payment_intent_id="pi_1")
    return replace(made, **changed)  # type: ignore[arg-type]


def decided(before: Saga, *learnt: Fact, at: datetime = AT) -> Decision:
    decision = Decision(before)
    for fact in learnt:
        decision = decide(decision.saga, fact, at, TERMS)
    return decision


def test_a_new_saga_waits_for_its_reservation() -> None:
    new = begin("ord_1", "acme", AT, TERMS)
    assert (new.state, new.due_at, new.give_up_at) == (
        State.RESERVING,
        AT + timedelta(seconds=30),
        AT + timedelta(minutes=30),
    )


def test_an_order_without_stock_is_rejected_at_once_as_there_is_nothing_to_undo() -> None:
    decision = decided(begin("ord_1", "acme", AT, TERMS), facts.StockRefused())
    assert decision.saga.state is State.DONE
    assert [(row.step, row.reason) for row in decision.rows] == [(Step.REJECTED, Reason.OUT_OF_STOCK)]
    assert decision.command is None


def test_a_confirmation_that_is_refused_voids_the_payment_before_anything_else() -> None:
    decision = decided(saga(State.CONFIRMING), facts.StockRefused())
    assert decision.saga.state is State.VOIDING
    assert decision.saga.reason is Reason.RESERVATION_EXPIRED
    assert [row.step for row in decision.rows] == [Step.COMPENSATING]


def test_a_void_is_followed_by_the_release_that_ends_the_order() -> None:
    voided = decided(saga(State.VOIDING, reason=Reason.CAPTURE_FAILED), facts.PaymentVoided())
    assert (voided.saga.state, voided.command) == (State.RELEASING, Command.RELEASE)
    released = decided(voided.saga, facts.StockReleased())
    assert [(row.step, row.reason) for row in released.rows] == [(Step.REJECTED, Reason.CAPTURE_FAILED)]


def test_a_cancel_overrides_the_reason_that_came_before_it() -> None:
    back = decided(saga(State.AUTHORISING), facts.PaymentDeclined("lost_card"))
    end = decided(back.saga, facts.CancelRequested(), facts.StockReleased())
    assert [row.step for row in end.rows] == [Step.CANCELLED]


def test_a_cancel_during_a_call_waits_for_its_outcome_and_gives_back_what_it_took() -> None:
    under_way = saga(State.CAPTURING, attempts=1, due_at=AT)
    waiting = decided(under_way, facts.CancelRequested())
    assert waiting.saga.state is State.CAPTURING
    assert decided(waiting.saga, facts.PaymentCaptured()).saga.state is State.REFUNDING
    assert decided(waiting.saga, facts.CaptureRefused("expired")).saga.state is State.VOIDING


def test_a_cancel_before_the_call_needs_no_call() -> None:
    decision = decided(saga(State.AUTHORISING), facts.CancelRequested())
    assert (decision.saga.state, decision.command) == (State.RELEASING, Command.RELEASE)


def test_every_state_fences_the_owner_of_the_one_before() -> None:
    before = saga(State.AUTHORISING, fencing=4)
    assert decided(before, facts.PaymentAuthorised("pi_1")).saga.fencing == 5


def test_a_command_is_sent_again_when_it_is_overdue_and_not_before() -> None:
    waiting = saga(State.CONFIRMING, attempts=1, due_at=AT)
    early = decided(waiting, facts.StepOverdue(), at=AT - timedelta(seconds=1))
    assert early.ignored == "not_waited_for"
    first = decided(waiting, facts.StepOverdue())
    assert (first.command, first.saga.due_at) == (Command.CONFIRM, AT + timedelta(seconds=60))
    second = decided(first.saga, facts.StepOverdue(), at=AT + timedelta(seconds=60))
    assert second.saga.due_at == AT + timedelta(seconds=160), "not above the maximum"


@pytest.mark.parametrize("state", [State.RESERVING, State.CONFIRMING, State.CAPTURING])
def test_only_the_wait_for_an_authorisation_is_given_up(state: State) -> None:
    decision = decided(saga(state), facts.GaveUp(), at=AT + timedelta(hours=1))
    assert decision.ignored == "not_waited_for"


def test_a_refund_of_an_earlier_try_tells_nothing_of_this_one() -> None:
    now = saga(State.REFUNDING, refund_id="re_2", due_at=AT)
    assert decided(now, facts.RefundFailed("lost", "re_1")).ignored == "not_waited_for"
    assert decided(now, facts.Refunded("re_2")).saga.state is State.RELEASING


def test_nothing_moves_an_order_that_has_ended() -> None:
    over = saga(State.DONE, due_at=None)
    for fact in (facts.StockReserved(), facts.PaymentCaptured(), facts.CancelRequested(), facts.Pushed()):
        assert decided(over, fact).ignored == "finished"
