"""What operators see of sagas, and the push by hand."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from chassis.logs import get_logger

from orders.domain import facts
from orders.domain.ids import is_order_id
from orders.problems import OrderNotFound, SagaFinished
from orders.resources import Resources, now
from orders.store import sagas as store
from orders.usecases.saga import Change, advance, terms_of

_log = get_logger(__name__)


async def list_live(
    res: Resources, *, after: str, limit: int, stuck: bool
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """In the order of ids; the second part is where the next page begins, None on the last."""
    stuck_before = now() - timedelta(seconds=res.settings.saga_stuck_after_s)
    async with res.db.acquire() as conn:
        rows = await store.page_live(
            conn, after=after, limit=limit + 1, stuck_before=stuck_before if stuck else None
        )
    page = [dict(row) for row in rows[:limit]]
    return page, page[-1]["order_id"] if len(rows) > limit else None


async def push(res: Resources, order_id: str) -> Mapping[str, Any]:
    """Its next step is taken now: a command is sent again, a call made, a failed refund begun anew.

    Raises OrderNotFound, SagaFinished.
    """
    if not is_order_id(order_id):
        raise OrderNotFound
    async with res.db.acquire() as conn, conn.transaction():
        moved = await advance(conn, [Change(order_id, facts.Pushed())], now(), terms_of(res.settings))
        row = await store.show(conn, order_id)
    if row is None:
        raise OrderNotFound
    if moved.ignored:
        raise SagaFinished
    moved.count()
    _log.info("saga.pushed", order=order_id, state=row["state"])
    return dict(row)
