"""Commands of sagas, a batch a transaction: decided by the domain, written set-based (ADR-0011)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chassis import metrics, outbox
from chassis.logs import get_logger
from chassis.postgres import Connection
from chassis.retry import Transient

from inventory import events
from inventory.domain.allocation import Allocation, allocate
from inventory.domain.reservations import Command, Expire, Reservation, Reserve, State
from inventory.domain.stock import Place
from inventory.resources import Resources
from inventory.store import reservations as store
from inventory.store import stock

_log = get_logger(__name__)

_COMMANDS = metrics.counter(
    "inventory_reservations_total", "Commands by what they made of a reservation.", ("outcome",)
)
_EXPIRED = metrics.counter("inventory_reservations_expired_total", "Reservations whose time ran out.")
_BATCH = metrics.histogram(
    "inventory_batch_orders",
    "Orders that one transaction answered.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000),
)


async def answer(conn: Connection, commands: Sequence[Command]) -> None:
    """In the transaction of the batch: every command gets its reply, those that come again the same one."""
    order_ids = list({command.order_id for command in commands})
    known = await store.lock_many(conn, order_ids)
    await _answer(conn, commands, known)
    _BATCH.observe(len(order_ids), metrics.exemplar())


async def expire_due(res: Resources) -> int:
    """Give back what one batch of reservations held too long; how many they were."""
    now = datetime.now(UTC)
    async with res.db.acquire() as conn, conn.transaction():
        due = await store.lock_due(conn, now, res.settings.expiry_batch_max)
        if not due:
            return 0
        commands = [
            Expire(
                order_id=one.order_id,
                tenant_id=one.tenant_id,
                request_id=None,
                traceparent=one.traceparent,
            )
            for one in due.values()
        ]
        await _answer(conn, commands, due)
    _EXPIRED.inc(len(due))
    _log.info("reservations.expired", reservations=len(due))
    return len(due)


async def list_reservations(
    res: Resources, *, after: str, limit: int
) -> tuple[list[tuple[str, State]], str | None]:
    """A page by order id, and where the next one begins."""
    async with res.db.acquire() as conn:
        found = await store.page(conn, after, limit + 1)
    return found[:limit], found[limit - 1][0] if len(found) > limit else None


async def _answer(conn: Connection, commands: Sequence[Command], known: dict[str, Reservation]) -> None:
    """`known` is locked. Reservations first and then the shelf, each in order: no two wait in a ring."""
    levels = await stock.lock_many(conn, sorted(_places(commands, known)))
    at = datetime.now(UTC)
    made = allocate(commands, levels, known, at)
    await _write(conn, made, known, at)
    replies = [
        events.of(reservation, traceparent=command.traceparent)
        for command, reservation in zip(commands, made.answers, strict=True)
    ]
    await outbox.add_many(conn, replies)
    _count(made, known)


def _places(commands: Sequence[Command], known: dict[str, Reservation]) -> set[Place]:
    """All that the commands may touch: of orders that are new, and of those whose end is not told yet."""
    wanted = {
        Place(command.tenant_id, line.sku)
        for command in commands
        if isinstance(command, Reserve) and command.order_id not in known
        for line in command.lines
    }
    return wanted | {
        Place(one.tenant_id, line.sku) for one in known.values() if one.may_move for line in one.lines
    }


async def _write(conn: Connection, made: Allocation, known: dict[str, Reservation], at: datetime) -> None:
    if made.levels:
        await stock.write(conn, made.levels)
    if made.movements:
        await stock.record(conn, made.movements, at)
    new = [one for one in made.reservations.values() if one.order_id not in known]
    if new:
        if await store.insert_many(conn, new) < len(new):
            raise Transient("another transaction has just answered one of these orders")
        await store.insert_lines(conn, [(one.order_id, line) for one in new for line in one.lines])
    old = [one for one in made.reservations.values() if one.order_id in known]
    if old:
        await store.update_many(conn, old)


def _count(made: Allocation, known: dict[str, Reservation]) -> None:
    """What is rolled back at the commit has been counted all the same, and is counted again."""
    versions = {order_id: one.version for order_id, one in known.items()}
    for one in made.answers:
        changed = one.version > versions.get(one.order_id, 0)
        _COMMANDS.labels(one.state.value if changed else "repeated").inc()
        versions[one.order_id] = one.version
