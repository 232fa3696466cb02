"""The proof: the shelf against its movements and against what orders hold and bought of it.

Correct while traffic runs: all is read in one snapshot, in which every transaction is whole or absent.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from asyncpg import Record
from chassis.postgres import PASSING, Connection

from inventory.domain.checks import Check
from inventory.resources import Resources
from inventory.store import reconcile as store

_SHELF: Final[Mapping[str, store.Compare]] = MappingProxyType(
    {
        "stock_never_negative": store.never_negative,
        "stock_conserved": store.conserved,
        "reserved_matches_reservations": store.reserved_is_held,
        "sold_matches_reservations": store.sold_is_confirmed,
    }
)


async def reconcile(res: Resources) -> list[Check]:
    """Every check, each with what it found."""
    settings = res.settings
    try:
        async with AsyncExitStack() as stack:
            conn = await stack.enter_async_context(res.db.acquire())
            await stack.enter_async_context(conn.transaction(isolation="repeatable_read", readonly=True))
            await store.allow(conn, settings.reconcile_timeout_s)
            checks = [
                _compared(
                    name, await compare(conn, settings.reconcile_examples_max, settings.reconcile_timeout_s)
                )
                for name, compare in _SHELF.items()
            ]
            checks.append(await _overdue(res, conn))
            checks.append(await _outbox(res, conn))
    except PASSING as error:
        return [Check("stock_is_read", ok=False, detail=f"not read: {type(error).__name__}")]
    return checks


def _compared(name: str, row: Record) -> Check:
    if not row["wrong"]:
        return Check(name, ok=True, detail=f"{row['checked']} SKUs looked at")
    found = ", ".join(row["examples"])
    return Check(name, ok=False, detail=f"{row['wrong']} of {row['checked']} SKUs are wrong: {found}")


async def _overdue(res: Resources, conn: Connection) -> Check:
    held, first = await store.held(conn)
    late_s = 0.0 if first is None else (datetime.now(UTC) - first).total_seconds()
    ok = late_s <= res.settings.reconcile_overdue_max_s
    detail = f"{held} held" if late_s <= 0 else f"{held} held, one for {late_s:.0f} s too long"
    return Check("reservations_expire", ok=ok, detail=detail)


async def _outbox(res: Resources, conn: Connection) -> Check:
    waiting, since = await store.outbox(conn)
    age_s = 0.0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds())
    ok = age_s <= res.settings.reconcile_outbox_age_max_s
    return Check("outbox_age", ok=ok, detail=f"{waiting} events wait, the oldest for {age_s:.0f} s")
