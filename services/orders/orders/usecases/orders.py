"""Orders: place one, look at one, list them."""

from collections.abc import Callable, Sequence

from chassis import metrics, outbox
from chassis.logs import get_logger
from chassis.once import Answer, Repeatable, finish
from chassis.postgres import Connection
from chassis.telemetry import current_traceparent

from orders import events
from orders.domain.ids import is_order_id, new_order_id
from orders.domain.orders import Draft, Line, Order, Status, new_order
from orders.domain.saga import Command, begin
from orders.domain.tenants import Tenant
from orders.domain.timeline import Entry, begun
from orders.problems import AmountTooLarge, MixedCurrency, OrderNotFound, UnknownSku
from orders.resources import Resources, now
from orders.store import listing, products, sagas
from orders.store import orders as store
from orders.usecases.rows import order_of, product_of, timeline_of
from orders.usecases.saga import terms_of

_log = get_logger(__name__)
_PLACED = metrics.counter("orders_placed_total", "Orders taken.", ())

Told = tuple[Order, Sequence[Entry]]
Render = Callable[[Order, Sequence[Entry]], Answer]


async def place_order(
    res: Resources, tenant: Tenant, draft: Draft, request: Repeatable | None, render: Render
) -> Answer:
    """Take an order, once for an Idempotency-Key; `render` makes the answer that is stored with it.

    Raises UnknownSku, MixedCurrency, AmountTooLarge, IdempotencyInFlight, IdempotencyMismatch.
    """
    return await res.once.run(request, lambda: _place(res, tenant, draft, request, render))


async def _place(
    res: Resources, tenant: Tenant, draft: Draft, request: Repeatable | None, render: Render
) -> Answer:
    """One transaction: the key, the order, its saga, its first events and the answer, or nothing of it."""
    async with res.db.acquire() as conn, conn.transaction():
        claimed = await res.once.claim(conn, request)
        if isinstance(claimed, Answer):
            return claimed
        lines = await _priced(conn, tenant, draft)
        order = new_order(
            draft,
            lines,
            order_id=new_order_id(),
            tenant_id=tenant.id,
            traceparent=current_traceparent(),
            at=now(),
        )
        if order.amount > res.settings.order_amount_max:
            raise AmountTooLarge(f"An order costs at most {res.settings.order_amount_max} minor units.")
        entry = begun(order)
        await store.insert(conn, order, entry)
        await _begin_saga(conn, res, order, entry)
        answer = render(order, [entry])
        await finish(conn, claimed, answer)

    _PLACED.inc()
    _log.info("order.placed", order_id=order.id, tenant=tenant.id, lines=len(lines))
    return answer


async def _begin_saga(conn: Connection, res: Resources, order: Order, entry: Entry) -> None:
    terms = terms_of(res.settings)
    await sagas.insert(conn, begin(order.id, order.tenant_id, order.created_at, terms))
    expires_at = order.created_at + terms.reservation
    asked = events.stock_requested(order, Command.RESERVE, expires_at=expires_at)
    await outbox.add_many(conn, [events.order_changed(order, entry), asked])


async def _priced(conn: Connection, tenant: Tenant, draft: Draft) -> tuple[Line, ...]:
    """The catalogue's names and prices of this moment. Raises UnknownSku, MixedCurrency."""
    skus = [item.sku for item in draft.items]
    found = {row["sku"]: product_of(row) for row in await products.named(conn, tenant.id, skus)}
    missing = [number for number, sku in enumerate(skus) if sku not in found]
    if missing:
        raise UnknownSku(errors=_errors(missing, "There is no product of this SKU."))
    foreign = [n for n, sku in enumerate(skus) if found[sku].terms.currency != draft.currency]
    if foreign:
        raise MixedCurrency(errors=_errors(foreign, f"This product is not sold in {draft.currency}."))
    return tuple(
        Line(item.sku, found[item.sku].terms.name, item.quantity, found[item.sku].terms.unit_price)
        for item in draft.items
    )


def _errors(numbers: Sequence[int], detail: str) -> list[dict[str, str]]:
    return [{"pointer": f"/body/lines/{number}/sku", "detail": detail} for number in numbers]


async def get_order(res: Resources, tenant: Tenant, order_id: str) -> Told:
    """Raises OrderNotFound, also for an order of another tenant."""
    if not is_order_id(order_id):
        raise OrderNotFound
    async with res.db.acquire() as conn:
        row = await store.get(conn, tenant.id, order_id)
    if row is None:
        raise OrderNotFound
    return order_of(row), timeline_of(row)


async def list_orders(
    res: Resources,
    tenant: Tenant,
    *,
    before: str | None,
    limit: int,
    status: Status | None,
    customer_id: str | None,
) -> tuple[list[Told], str | None]:
    """Give a page, newest first, and the id before which the next one begins, None on the last."""
    async with res.db.acquire() as conn:
        if customer_id is not None:
            ids = await listing.page_of_customer(conn, tenant.id, before, limit + 1, customer_id, status)
        elif status is not None:
            ids = await listing.page_of_status(conn, tenant.id, before, limit + 1, status)
        else:
            ids = await listing.page(conn, tenant.id, before, limit + 1)
        rows = await store.many(conn, [row["id"] for row in ids[:limit]])
    page: list[Told] = [(order_of(row), timeline_of(row)) for row in rows]
    return page, page[-1][0].id if len(ids) > limit else None
