"""Moves sagas: facts in, one transaction's worth of rows and events out, for one order or a batch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from chassis import metrics, outbox
from chassis.outbox import Event
from chassis.postgres import Connection

from orders import events
from orders.domain import facts
from orders.domain.facts import Fact, MoneyFact
from orders.domain.orders import Order, Status
from orders.domain.rules import decide
from orders.domain.saga import MONEY, Command, Decision, Saga, State, Terms
from orders.domain.timeline import Entry, moved
from orders.settings import OrdersSettings
from orders.store import orders as order_store
from orders.store import sagas as store
from orders.usecases.rows import order_of

_TRANSITIONS = metrics.counter("orders_saga_transitions_total", "Steps from state to state.", ("from", "to"))
_IGNORED = metrics.counter("orders_saga_ignored_total", "Facts that changed nothing, and why.", ("reason",))
_FINISHED = metrics.counter("orders_finished_total", "Orders that ended.", ("status", "reason"))
_SECONDS = metrics.histogram("orders_placed_to_finished_seconds", "From an order's placing to its end.")

FENCED: Final = "fenced"
UNKNOWN_ORDER: Final = "unknown_order"
NOT_WAITED_FOR: Final = "not_waited_for"


@dataclass(frozen=True, slots=True)
class Change:
    """A fact of an order; with a `fencing` token it counts only while that is the saga's current one.

    What was consumed about money names its `intent_id`: anybody may write our order's id on a payment.
    """

    order_id: str
    fact: Fact
    fencing: int | None = None
    intent_id: str | None = None


@dataclass(slots=True)
class Moved:
    """What a batch did: to be counted after its commit."""

    transitions: Counter[tuple[State, State]] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    repeated: Counter[State] = field(default_factory=Counter)  # commands that were sent again
    finished: list[Order] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    calls_due: bool = False
    events: bool = False

    def add(self, other: "Moved") -> None:
        self.transitions += other.transitions
        self.ignored += other.ignored
        self.repeated += other.repeated
        self.finished += other.finished
        self.orders |= other.orders
        self.calls_due |= other.calls_due
        self.events |= other.events

    def count(self) -> None:
        for (before, after), times in self.transitions.items():
            _TRANSITIONS.labels(before, after).inc(times)
        for reason, times in self.ignored.items():
            _IGNORED.labels(reason).inc(times)
        for order in self.finished:
            rejected = order.status is Status.REJECTED
            _FINISHED.labels(order.status, (order.reason or "") if rejected else "").inc()
            if order.finished_at is not None:
                _SECONDS.observe((order.finished_at - order.created_at).total_seconds())


def terms_of(settings: OrdersSettings) -> Terms:
    return Terms(
        reservation=timedelta(seconds=settings.saga_reservation_s),
        step_timeout=timedelta(seconds=settings.saga_step_timeout_s),
        step_timeout_max=timedelta(seconds=settings.saga_step_timeout_max_s),
        give_up_after=timedelta(seconds=settings.saga_give_up_s),
    )


async def request_cancel(conn: Connection, order_id: str, at: datetime, terms: Terms) -> Moved:
    """In the transaction that has accepted the cancel: from now on the order ends cancelled.

    The caller has locked the order and found it unfinished. The timeline's row, its event and the command to
    inventory are written here; `.orders[order_id]` is the order afterwards, absent when it was cancelling.
    """
    return await advance(conn, [Change(order_id, facts.CancelRequested())], at, terms)


async def advance(conn: Connection, changes: Sequence[Change], at: datetime, terms: Terms) -> Moved:
    """Apply the facts in their order, in the caller's transaction: a handful of statements for any number.

    Orders are locked in the order of their ids, and their sagas under them: batches meet without a deadlock.
    """
    batch = _Batch(at, terms)
    await batch.load(conn, sorted({change.order_id for change in changes}))
    for change in changes:
        batch.apply(change)
    await batch.write(conn)
    return batch.moved


async def apply_events(conn: Connection, changes: Sequence[Change], at: datetime, terms: Terms) -> Moved:
    """The same for what was consumed; most of what payments tells, the call's own answer has told before.

    It counts for the intent that the saga knows to be its own; others are not even locked. Before the call
    has told the intent, there is no need to hear of it: the same call under the same key will.
    """
    paid = sorted({change.order_id for change in changes if isinstance(change.fact, MoneyFact)})
    intents = await store.awaited_intents(conn, paid) if paid else {}
    wanted = [
        change
        for change in changes
        if not isinstance(change.fact, MoneyFact) or intents.get(change.order_id, "") == change.intent_id
    ]
    moved = await advance(conn, wanted, at, terms) if wanted else Moved()
    if len(wanted) < len(changes):
        moved.ignored[NOT_WAITED_FOR] += len(changes) - len(wanted)
    return moved


class _Batch:
    """The orders and sagas of one batch, as they become."""

    def __init__(self, at: datetime, terms: Terms) -> None:
        self._at = at
        self._terms = terms
        self._orders: dict[str, Order] = {}
        self._sagas: dict[str, Saga] = {}
        self._changed: set[str] = set()
        self._entries: list[Entry] = []
        self._events: list[Event] = []
        self.moved = Moved()

    async def load(self, conn: Connection, order_ids: Sequence[str]) -> None:
        rows = await order_store.lock_many(conn, order_ids)
        self._orders = {row["id"]: order_of(row) for row in rows}
        self._sagas = await store.lock(conn, list(self._orders))

    def apply(self, change: Change) -> None:
        saga = self._sagas.get(change.order_id)
        if saga is None:
            self.moved.ignored[UNKNOWN_ORDER] += 1
        elif change.fencing is not None and change.fencing != saga.fencing:
            self.moved.ignored[FENCED] += 1
        else:
            self._take(saga, change.fact, decide(saga, change.fact, self._at, self._terms))

    def _take(self, saga: Saga, fact: Fact, decision: Decision) -> None:
        if decision.ignored is not None:
            self.moved.ignored[decision.ignored] += 1
            return
        after = decision.saga
        self._sagas[saga.order_id] = after
        self._changed.add(saga.order_id)
        if after.state is not saga.state:
            self.moved.transitions[saga.state, after.state] += 1
            self.moved.calls_due |= after.state in MONEY
        elif decision.command is not None:
            self.moved.repeated[after.state] += 1
        elif after.state in MONEY and after.due_at is not None:
            self.moved.calls_due |= after.due_at <= self._at
        order = self._orders[saga.order_id]
        if isinstance(fact, facts.CancelRequested):
            order = replace(order, cancel_requested_at=self._at)
        self._tell(order, decision)

    def _tell(self, order: Order, decision: Decision) -> None:
        """The rows of the timeline with their events, then the command."""
        for row in decision.rows:
            order, entry = moved(order, row.step, self._at, reason=row.reason)
            self._entries.append(entry)
            self._events.append(events.order_changed(order, entry))
            self.moved.orders[order.id] = order
        self._orders[order.id] = order
        if order.finished:
            self.moved.finished.append(order)
        if decision.command is not None:
            self._events.append(self._request(order, decision.command))

    def _request(self, order: Order, command: Command) -> Event:
        return events.stock_requested(order, command, expires_at=self._at + self._terms.reservation)

    async def write(self, conn: Connection) -> None:
        if self._changed:
            await store.save(conn, [self._sagas[order_id] for order_id in sorted(self._changed)], self._at)
        if self._entries:
            await order_store.update_many(conn, list(self.moved.orders.values()))
            await order_store.add_timeline(conn, self._entries)
        if self._events:
            await outbox.add_many(conn, self._events)
            self.moved.events = True
