"""What each fact means to a saga in each of its states: the one place where an order's way is decided.

A fact that its state does not wait for changes nothing: replies may be late, come twice, or out of turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from orders.domain import facts
from orders.domain.facts import Fact
from orders.domain.saga import COMMANDS, MONEY, Decision, Reason, Row, Saga, State, Terms
from orders.domain.timeline import Step

_DOUBLINGS_MAX: Final = 10


def decide(saga: Saga, fact: Fact, at: datetime, terms: Terms) -> Decision:
    """What the fact means to the saga at that moment."""
    if saga.state is State.DONE:
        return Decision(saga, ignored="finished")
    decision = _RULES[type(fact)](saga, fact, at, terms)
    if decision.ignored is None:
        return replace(decision, saga=replace(decision.saga, version=saga.version + 1))
    return decision


def _nothing(saga: Saga) -> Decision:
    return Decision(saga, ignored="not_waited_for")


def _enter(saga: Saga, state: State, at: datetime, terms: Terms, *rows: Row) -> Decision:
    """The next state with its first action: a command leaves now, a money step is due now."""
    command = COMMANDS.get(state)
    due_at = None if state is State.DONE else at if command is None else at + terms.step_timeout
    entered = replace(
        saga,
        state=state,
        attempts=0 if command is None else 1,
        polling=False,
        round=0,
        fencing=saga.fencing + 1,
        entered_at=at,
        due_at=due_at,
        stuck_since=None,
        last_error=None,
    )
    return Decision(entered, rows, command)


def _undo(saga: Saga, state: State, at: datetime, terms: Terms, reason: Reason) -> Decision:
    """Back, for a reason of ours unless the customer has one, or we have told one before."""
    if saga.undoing:
        return _enter(saga, state, at, terms)
    return _enter(replace(saga, reason=reason), state, at, terms, Row(Step.COMPENSATING))


def _stock_reserved(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.RESERVING:
        return _nothing(saga)
    return _enter(saga, State.AUTHORISING, at, terms, Row(Step.STOCK_RESERVED))


def _stock_refused(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is State.CONFIRMING:
        return _undo(saga, State.VOIDING, at, terms, Reason.RESERVATION_EXPIRED)
    if saga.state is not State.RESERVING:
        return _nothing(saga)
    refused = replace(saga, reason=Reason.OUT_OF_STOCK)
    return _enter(refused, State.DONE, at, terms, Row(Step.REJECTED, Reason.OUT_OF_STOCK))


def _stock_confirmed(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.CONFIRMING:
        return _nothing(saga)
    return _enter(saga, State.CAPTURING, at, terms, Row(Step.STOCK_CONFIRMED))


def _stock_released(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.RELEASING:
        return _nothing(saga)
    end = Row(Step.CANCELLED) if saga.cancelling else Row(Step.REJECTED, saga.reason)
    return _enter(saga, State.DONE, at, terms, end)


def _reservation_expired(saga: Saga, _fact: Any, _at: datetime, _terms: Terms) -> Decision:
    # The confirmation decides: it may take the stock again.
    return _nothing(saga)


def _pending(saga: Saga, fact: facts.PaymentPending, _at: datetime, _terms: Terms) -> Decision:
    if saga.state not in MONEY:
        return _nothing(saga)
    return Decision(
        replace(saga, polling=True, payment_intent_id=fact.intent_id, due_at=fact.retry_at, last_error=None)
    )


def _authorised(saga: Saga, fact: facts.PaymentAuthorised, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.AUTHORISING:
        return _nothing(saga)
    saga = replace(saga, payment_intent_id=fact.intent_id)
    if saga.undoing:
        return _enter(saga, State.VOIDING, at, terms)
    return _enter(saga, State.CONFIRMING, at, terms, Row(Step.PAYMENT_AUTHORISED))


def _declined(saga: Saga, fact: facts.PaymentDeclined, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.AUTHORISING:
        return _nothing(saga)
    saga = replace(saga, payment_intent_id=fact.intent_id or saga.payment_intent_id)
    following = State.VOIDING if fact.open else State.RELEASING
    return _undo(saga, following, at, terms, Reason.PAYMENT_DECLINED)


def _unknown(saga: Saga, fact: facts.PaymentUnknown, _at: datetime, _terms: Terms) -> Decision:
    if saga.state not in MONEY:
        return _nothing(saga)
    return Decision(replace(saga, due_at=fact.retry_at, last_error=fact.error))


def _captured(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is State.VOIDING or (saga.state is State.CAPTURING and saga.undoing):
        return _enter(saga, State.REFUNDING, at, terms)
    if saga.state is not State.CAPTURING:
        return _nothing(saga)
    return _enter(saga, State.DONE, at, terms, Row(Step.PAYMENT_CAPTURED), Row(Step.COMPLETED))


def _capture_refused(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.CAPTURING:
        return _nothing(saga)
    return _undo(saga, State.VOIDING, at, terms, Reason.CAPTURE_FAILED)


def _voided(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is State.VOIDING:
        return _enter(saga, State.RELEASING, at, terms)
    if saga.state is State.AUTHORISING:
        return _undo(saga, State.RELEASING, at, terms, Reason.PAYMENT_DECLINED)
    if saga.state in {State.CONFIRMING, State.CAPTURING}:
        return _undo(saga, State.RELEASING, at, terms, Reason.CAPTURE_FAILED)
    return _nothing(saga)


def _void_refused(saga: Saga, fact: facts.VoidRefused, _at: datetime, _terms: Terms) -> Decision:
    if saga.state is not State.VOIDING:
        return _nothing(saga)
    again = replace(saga, polling=False, round=saga.round + 1, due_at=fact.retry_at, last_error=fact.error)
    return Decision(again)


def _refund_pending(saga: Saga, fact: facts.RefundPending, _at: datetime, _terms: Terms) -> Decision:
    if saga.state is not State.REFUNDING:
        return _nothing(saga)
    return Decision(
        replace(saga, polling=True, refund_id=fact.refund_id, due_at=fact.retry_at, last_error=None)
    )


def _refunded(saga: Saga, fact: facts.Refunded, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.REFUNDING or fact.refund_id != saga.refund_id:
        return _nothing(saga)
    return _enter(saga, State.RELEASING, at, terms)


def _refund_failed(saga: Saga, fact: facts.RefundFailed, at: datetime, _terms: Terms) -> Decision:
    if saga.state is not State.REFUNDING or saga.stuck_since or fact.refund_id != saga.refund_id:
        return _nothing(saga)
    return Decision(replace(saga, polling=False, due_at=None, stuck_since=at, last_error=fact.code))


def _cancel(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.cancelling:
        return Decision(saga, ignored="cancelling")
    row = Row(Step.CANCELLING)
    back = _way_back(saga)
    saga = replace(saga, cancelling=True)
    return Decision(saga, (row,)) if back is None else _enter(saga, back, at, terms, row)


def _way_back(saga: Saga) -> State | None:
    """Where a saga that goes forward turns; None while it is on its way back, or a call may be under way.

    The outcome of that call decides then: what it took is given back.
    """
    called = saga.attempts > 0
    match saga.state:
        case State.RESERVING:
            return State.RELEASING
        case State.AUTHORISING:
            return None if called else State.RELEASING
        case State.CONFIRMING:
            return State.VOIDING
        case State.CAPTURING:
            return None if called else State.VOIDING
        case _:
            return None


def _gave_up(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state is not State.AUTHORISING or saga.undoing or at < saga.give_up_at:
        return _nothing(saga)
    if saga.attempts == 0:
        return _undo(saga, State.RELEASING, at, terms, Reason.PAYMENT_UNAVAILABLE)
    # Only the same call under the same key can tell whether money is held: then it is voided.
    return Decision(replace(saga, reason=Reason.PAYMENT_UNAVAILABLE), (Row(Step.COMPENSATING),))


def _overdue(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state not in COMMANDS or saga.due_at is None or saga.due_at > at:
        return _nothing(saga)
    return _send_again(saga, at, terms)


def _pushed(saga: Saga, _fact: Any, at: datetime, terms: Terms) -> Decision:
    if saga.state in COMMANDS:
        return _send_again(saga, at, terms)
    if saga.stuck_since is None:
        return Decision(replace(saga, due_at=at))
    anew = replace(saga, round=saga.round + 1, refund_id=None, stuck_since=None, due_at=at)
    return Decision(anew)


def _send_again(saga: Saga, at: datetime, terms: Terms) -> Decision:
    timeout = min(terms.step_timeout_max, terms.step_timeout * 2 ** min(saga.attempts, _DOUBLINGS_MAX))
    again = replace(saga, attempts=saga.attempts + 1, due_at=at + timeout)
    return Decision(again, command=COMMANDS[saga.state])


_RULES: Final[Mapping[type[Fact], Callable[[Saga, Any, datetime, Terms], Decision]]] = {
    facts.StockReserved: _stock_reserved,
    facts.StockRefused: _stock_refused,
    facts.StockConfirmed: _stock_confirmed,
    facts.StockReleased: _stock_released,
    facts.ReservationExpired: _reservation_expired,
    facts.PaymentPending: _pending,
    facts.PaymentAuthorised: _authorised,
    facts.PaymentDeclined: _declined,
    facts.PaymentUnknown: _unknown,
    facts.PaymentCaptured: _captured,
    facts.CaptureRefused: _capture_refused,
    facts.PaymentVoided: _voided,
    facts.VoidRefused: _void_refused,
    facts.RefundPending: _refund_pending,
    facts.Refunded: _refunded,
    facts.RefundFailed: _refund_failed,
    facts.CancelRequested: _cancel,
    facts.StepOverdue: _overdue,
    facts.GaveUp: _gave_up,
    facts.Pushed: _pushed,
}
