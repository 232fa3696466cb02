"""What moves by itself: commands without an answer are sent again, payments that never come are given up."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from chassis import metrics
from chassis.logs import get_logger
from chassis.postgres import PASSING, Pool
from chassis.server import StopSignal

from orders.domain import facts
from orders.domain.saga import State
from orders.resources import now
from orders.settings import OrdersSettings
from orders.store import sagas as store
from orders.usecases.saga import Change, Moved, advance, terms_of

_log = get_logger(__name__)

_OVERDUE = metrics.counter("orders_step_overdue_total", "Commands that were sent again.", ("step",))
_IN_FLIGHT = metrics.gauge("orders_in_flight", "Orders without an end, by state.", ("state",))
_OLDEST = metrics.gauge(
    "orders_saga_oldest_age_seconds", "How long the oldest saga of a state is in it.", ("state",)
)
_STUCK = metrics.gauge("orders_sagas_stuck", "Sagas that need people, or are in a state for too long.")
_LIVE: Final = tuple(state for state in State if state is not State.DONE)


class Sweeper:
    """Any number may run: a saga that another has moved meanwhile is no longer overdue."""

    def __init__(
        self,
        settings: OrdersSettings,
        db: Pool,
        *,
        told: Callable[[Moved], None] = lambda _moved: None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`told` is called after a commit that has moved something."""
        self._settings = settings
        self._db = db
        self._told = told
        self._now = clock
        self._terms = terms_of(settings)

    async def run(self, stop: StopSignal) -> None:
        while not await stop.sleep(self._settings.saga_sweep_s):
            try:
                await self.sweep()
            except PASSING as error:
                _log.info("sweep.postponed", error=type(error).__name__)

    async def watch(self, stop: StopSignal) -> None:
        """Keeps the gauges."""
        while not await stop.sleep(self._settings.saga_report_s):
            try:
                await self.measure()
            except PASSING as error:
                _log.info("sweep.unmeasured", error=type(error).__name__)

    async def sweep(self) -> int:
        """One batch of each kind; the answer counts the orders that moved."""
        at, limit = self._now(), self._settings.saga_sweep_batch_max
        async with self._db.acquire() as conn:
            overdue = await store.overdue(conn, at=at, limit=limit)
            waited_out = await store.waited_out(conn, at=at, limit=limit)
        changes = [Change(order_id, facts.StepOverdue()) for order_id in overdue]
        changes += [Change(order_id, facts.GaveUp()) for order_id in waited_out]
        if not changes:
            return 0
        async with self._db.acquire() as conn, conn.transaction():
            moved = await advance(conn, changes, at, self._terms)
        moved.count()
        for state, times in moved.repeated.items():
            _OVERDUE.labels(state).inc(times)
            _log.warning("sweep.sent_again", state=state, orders=times)
        self._told(moved)
        return len(changes)

    async def measure(self) -> None:
        at = self._now()
        async with self._db.acquire() as conn:
            rows = await store.count_live(conn, stuck_before=self._stuck_before(at))
        by_state = {row["state"]: row for row in rows}
        for state in _LIVE:
            row = by_state.get(state)
            _IN_FLIGHT.labels(state).set(row["sagas"] if row else 0)
            age_s = (at - row["since"]).total_seconds() if row else 0.0
            _OLDEST.labels(state).set(max(0.0, age_s))
        _STUCK.set(sum(row["stuck"] for row in rows))

    def _stuck_before(self, at: datetime) -> datetime:
        return at - timedelta(seconds=self._settings.saga_stuck_after_s)
