"""The reconcile check: orders against themselves, against payments and against inventory, while traffic runs.

Our side is read in one snapshot. What others hold is compared for orders that had ended when the check began:
those never move again, so a difference that is still there at a second look is one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from asyncpg import QueryCanceledError, Record
from chassis.logs import get_logger
from chassis.postgres import PASSING, Connection, Pool

from orders.domain.checks import Check
from orders.inventory import Inventory
from orders.payments import Payments, PaymentsAway
from orders.problems import InventoryUnavailable
from orders.resources import now
from orders.settings import OrdersSettings
from orders.store import reconcile as store
from orders.usecases.reconcile_money import MoneyCheck
from orders.usecases.reconcile_stock import STOCK, StockCheck, stock_conserved

_log = get_logger(__name__)
_AWAY: Final[tuple[type[Exception], ...]] = (
    PaymentsAway,
    InventoryUnavailable,
    msgspec.DecodeError,
    *PASSING,
)

Verdict = Callable[[str | None], Check]


@dataclass(frozen=True, slots=True)
class Books:
    """What is compared; the clients are the check's own, with its patience."""

    settings: OrdersSettings
    db: Pool
    payments: Payments
    inventory: Inventory


async def reconcile(books: Books, *, timeout_s: float) -> list[Check]:
    """Every check, each with what it found, within that time."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + timeout_s
    started = now()
    try:
        checks = await _inside(books, timeout_s, started)
    except PASSING as error:
        return [Check("orders_have_one_state", ok=False, detail=_not_read(error))]
    checks += await _outside(books, ends_at - loop.time(), started)
    for check in checks:
        if not check.ok:
            _log.warning("reconcile.failed", check=check.name, detail=check.detail)
    return checks


async def _inside(books: Books, timeout_s: float, at: datetime) -> list[Check]:
    """All in one snapshot."""
    settings = books.settings
    examples = settings.reconcile_examples_max
    async with (
        books.db.acquire() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        await store.allow(conn, timeout_s)
        states = await store.orders_without_one_state(conn, examples, timeout_s)
        due_before = at - timedelta(seconds=settings.reconcile_due_age_max_s)
        live = await store.sagas_left_alone(conn, examples, due_before)
        return [
            _counted("orders_have_one_state", states),
            _counted("sagas_live", live),
            await _outbox(conn, at, settings.reconcile_outbox_age_max_s),
            await _inbox(conn, at, settings.reconcile_parked_age_max_s),
        ]


def _counted(name: str, row: Record | None) -> Check:
    if row is None or not row["wrong"]:
        return Check(name, ok=True, detail=f"{row['checked'] if row else 0} looked at")
    examples = ", ".join(row["examples"])
    return Check(name, ok=False, detail=f"{row['wrong']} of {row['checked']} are wrong: {examples}")


async def _outbox(conn: Connection, at: datetime, age_max_s: float) -> Check:
    waiting, oldest_s = _age(await store.outbox(conn), at)
    detail = f"{waiting} events wait for Kafka, the oldest for {oldest_s:.0f} s"
    return Check("outbox_age", ok=oldest_s <= age_max_s, detail=detail)


async def _inbox(conn: Connection, at: datetime, age_max_s: float) -> Check:
    waiting, oldest_s = _age(await store.inbox(conn), at)
    detail = f"{waiting} messages wait for another try, the oldest key for {oldest_s:.0f} s"
    return Check("inbox_age", ok=oldest_s <= age_max_s, detail=detail)


def _age(row: Record | None, at: datetime) -> tuple[int, float]:
    if row is None or row["since"] is None:
        return 0, 0.0
    return row["waiting"], max(0.0, (at - row["since"]).total_seconds())


async def _outside(books: Books, timeout_s: float, started: datetime) -> list[Check]:
    """At the same time; a reading that is cut short is judged by what it has read."""
    money = MoneyCheck(books.settings, books.db, books.payments)
    stock = StockCheck(books.settings, books.db, books.inventory)
    return list(
        await asyncio.gather(
            _within(timeout_s, money.run(started), money.verdict),
            _stock(books, timeout_s),
            _within(timeout_s, stock.run(started), stock.verdict),
        )
    )


async def _within(timeout_s: float, reading: Awaitable[None], verdict: Verdict) -> Check:
    try:
        async with asyncio.timeout(max(0.0, timeout_s)) as limit:
            await reading
    except _AWAY as error:
        return verdict(None if limit.expired() else _not_read(error))
    return verdict(None)


async def _stock(books: Books, timeout_s: float) -> Check:
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            return await stock_conserved(books.inventory)
    except _AWAY as error:
        return Check(STOCK, ok=False, detail=_not_read(error))


def _not_read(error: Exception) -> str:
    if isinstance(error, (TimeoutError, QueryCanceledError)):
        return "not read in time; python -m orders.reconcile waits longer"
    if isinstance(error, PaymentsAway):
        return f"payments cannot be read: {error}"
    return f"not read: {type(error).__name__}"
