"""The ledger of points: counted from the records alone, so that it survives whoever wrote them."""

from collections import Counter
from collections.abc import Sequence

from chassis import metrics
from chassis.kafka import Message
from chassis.postgres import Connection, Pool

from metrics_ingest.domain import accounting, balance
from metrics_ingest.domain.accounting import Entries
from metrics_ingest.domain.balance import Line, TenantLedger
from metrics_ingest.store import ledger as store
from metrics_ingest.usecases import canary, writing
from metrics_ingest.usecases.accept import TOPIC

GROUP = "metrics-ledger"

_RESIDUE = metrics.gauge(
    "metrics_ledger_residue_points", "Accepted points of which nobody knows what became, of all tenants."
)


async def count(conn: Connection, messages: Sequence[Message]) -> None:
    """What receivers told of these records, in the transaction that moves the group past them."""
    entries: Entries = Counter()
    for message in messages:
        try:
            account = accounting.read(message.header)
        except accounting.HeadersUnreadable:
            continue  # the writer makes it a dead letter
        entries.update(accounting.told(account, message.partition))
    await writing.add_entries(conn, entries)


async def ledger(pool: Pool, tenant_id: str | None) -> list[TenantLedger]:
    """Of one tenant (with nothing but zeroes when it never sent anything), or of all but the canary."""
    drawn = [one for one in await _drawn_up(pool, tenant_id) if one.tenant != canary.TENANT]
    return drawn or ([] if tenant_id is None else [TenantLedger(tenant_id)])


async def watch_residue(pool: Pool) -> int:
    """Show it to whoever alerts; of either sign, so that two errors do not make it right."""
    residue = sum(abs(tenant.residue) for tenant in await _drawn_up(pool, None))
    _RESIDUE.set(residue)
    return residue


async def _drawn_up(pool: Pool, tenant_id: str | None) -> list[TenantLedger]:
    async with pool.acquire() as conn:
        rows = await store.entries(conn, tenant_id, TOPIC, GROUP, writing.GROUP)
    return balance.draw_up(Line(**row) for row in rows)
