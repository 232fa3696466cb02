"""Cancel an order: what is accepted holds, whatever the saga is doing at that moment."""

from collections.abc import Sequence

from chassis import metrics
from chassis.logs import get_logger

from orders.domain.ids import is_order_id
from orders.domain.orders import Order, Status
from orders.domain.tenants import Tenant
from orders.domain.timeline import Entry
from orders.problems import OrderFinished, OrderNotFound
from orders.resources import Resources, now
from orders.store import orders as store
from orders.usecases.rows import order_of, timeline_of
from orders.usecases.saga import Moved, request_cancel, terms_of

_log = get_logger(__name__)
_CANCELS = metrics.counter("orders_cancels_total", "Cancel requests, by what became of them.", ("outcome",))


async def cancel_order(res: Resources, tenant: Tenant, order_id: str) -> tuple[Order, Sequence[Entry], bool]:
    """The order afterwards, and whether this request is the one that cancels it.

    The order's row is locked before it is judged: an end that comes at the same time is either seen here, or
    sees the request. Raises OrderNotFound, OrderFinished.
    """
    if not is_order_id(order_id):
        raise OrderNotFound
    moved: Moved | None = None
    async with res.db.acquire() as conn, conn.transaction():
        locked = await store.lock(conn, tenant.id, order_id)
        if locked is None:
            raise OrderNotFound
        order = order_of(locked)
        if order.finished and order.status is not Status.CANCELLED:
            _CANCELS.labels("refused").inc()
            raise OrderFinished(f"It is {order.status}.", order_status=order.status)
        if not order.finished and order.cancel_requested_at is None:
            moved = await request_cancel(conn, order_id, now(), terms_of(res.settings))
        row = await store.get(conn, tenant.id, order_id)
    if row is None:
        raise OrderNotFound
    if moved is not None:
        moved.count()
        _log.info("order.cancelling", order_id=order_id, tenant=tenant.id)
    _CANCELS.labels("repeated" if moved is None else "accepted").inc()
    return order_of(row), timeline_of(row), moved is not None
