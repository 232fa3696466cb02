"""The proof: the ledger against itself, intents, charges and refunds against it, all against the bank's book.

Correct while traffic runs: our side is read in one snapshot, in which every fact is whole; what is compared
with the bank is looked at again, and an operation whose end is not known here is named instead of judged.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import MappingProxyType
from typing import Final

from asyncpg import QueryCanceledError, Record
from chassis import metrics
from chassis.logs import get_logger
from chassis.postgres import PASSING, Connection
from chassis.server import StopSignal

from payments.book import BookAway, book_of
from payments.domain.proof import Check
from payments.resources import Resources
from payments.store import proof as store
from payments.usecases.book_proof import compare

_log = get_logger(__name__)
_IMBALANCE = metrics.gauge(
    "payments_ledger_imbalance", "Findings of the last look at the ledger's sums; 0 when it is proven."
)

_LEDGER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ledger_transactions_are_zero": store.LEDGER_TRANSACTIONS,
        "ledger_currencies_are_zero": store.LEDGER_CURRENCIES,
        "balance_transactions_match_entries": store.BALANCE_TRANSACTIONS,
    }
)
_INSIDE: Final[Mapping[str, str]] = MappingProxyType(
    {
        **_LEDGER,
        "charges_match_ledger": store.CHARGES,
        "refunds_match_ledger": store.REFUNDS,
        "captured_covers_refunded": store.CAPTURED_COVERS_REFUNDED,
        "intents_match_charges": store.INTENTS,
    }
)


async def prove(res: Resources, *, timeout_s: float | None = None) -> list[Check]:
    """Every check, each with what it found; `timeout_s` is for the whole (settings.proof_timeout_s)."""
    limit_s = timeout_s or res.settings.proof_timeout_s
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    try:
        checks = await _inside(res, limit_s)
    except PASSING as error:
        checks = [Check("our_books_are_read", ok=False, detail=_not_read(error, limit_s))]
    return checks + await _outside(res, max(0.0, deadline - loop.time()))


async def _inside(res: Resources, timeout_s: float) -> list[Check]:
    """All in one snapshot."""
    settings, now = res.settings, res.clock.now()
    async with AsyncExitStack() as stack:
        conn = await stack.enter_async_context(res.db.acquire())
        await stack.enter_async_context(conn.transaction(isolation="repeatable_read", readonly=True))
        await store.allow(conn, timeout_s)
        checks = [
            _counted(name, await store.check(conn, statement, settings.proof_examples_max, timeout_s))
            for name, statement in _INSIDE.items()
        ]
        checks.append(await _open_operations(res, conn, now))
        checks.append(await _outbox(res, conn, now))
    return checks


def _counted(name: str, row: Record) -> Check:
    if not row["wrong"]:
        return Check(name, ok=True, detail=f"{row['checked']} looked at")
    return Check(
        name, ok=False, detail=f"{row['wrong']} of {row['checked']} are wrong: {', '.join(row['examples'])}"
    )


async def _open_operations(res: Resources, conn: Connection, now: datetime) -> Check:
    rows = await store.open_operations(conn, res.settings.proof_examples_max)
    oldest_s = max(((now - row["since"]).total_seconds() for row in rows), default=0.0)
    told = [
        f"{row['operations']} {row['kind']} {row['state']} ({', '.join(row['examples'])})" for row in rows
    ]
    detail = f"{'; '.join(told)}; the oldest for {oldest_s:.0f} s" if told else "none is open"
    return Check("operations_end", ok=oldest_s <= res.settings.proof_unknown_age_max_s, detail=detail)


async def _outbox(res: Resources, conn: Connection, now: datetime) -> Check:
    waiting, since = await store.outbox(conn)
    oldest_s = 0.0 if since is None else max(0.0, (now - since).total_seconds())
    detail = f"{waiting} events wait, the oldest for {oldest_s:.0f} s"
    return Check("outbox_drains", ok=oldest_s <= res.settings.proof_outbox_age_max_s, detail=detail)


async def _outside(res: Resources, timeout_s: float) -> list[Check]:
    try:
        async with asyncio.timeout(timeout_s), book_of(res.settings) as book:
            return await compare(res, book)
    except BookAway as away:
        why = str(away)
    except PASSING as error:
        why = _not_read(error, timeout_s)
    return [Check("bank_book_matches", ok=False, detail=why)]


def _not_read(error: Exception, timeout_s: float) -> str:
    if isinstance(error, (TimeoutError, QueryCanceledError)):
        return f"not read within {timeout_s:.0f} s; python -m payments.proof waits longer"
    return f"our database: {type(error).__name__}"


async def watch_ledger(res: Resources, stop: StopSignal) -> None:
    """Keeps the gauge of the ledger's sums, until stopped."""
    while not stop.is_set():
        try:
            _IMBALANCE.set(await findings(res))
        except PASSING as error:
            _log.info("ledger.unchecked", error=type(error).__name__)
        await stop.sleep(res.settings.ledger_check_every_s)


async def findings(res: Resources) -> int:
    """How many transactions, currencies and balance transactions do not add up."""
    timeout_s, wrong = res.settings.proof_timeout_s, 0
    async with res.db.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        await store.allow(conn, timeout_s)
        for name, statement in _LEDGER.items():
            row = await store.check(conn, statement, res.settings.proof_examples_max, timeout_s)
            wrong += row["wrong"]
            if row["wrong"]:
                _log.error("ledger.imbalance", check=name, wrong=row["wrong"], examples=row["examples"])
    return wrong
