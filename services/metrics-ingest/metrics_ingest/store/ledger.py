"""Statements of the points' ledger."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def add(
    conn: Connection,
    tenant_ids: Sequence[str],
    partitions: Sequence[int],
    accounts: Sequence[str],
    reasons: Sequence[str],
    points: Sequence[int],
) -> None:
    """Add points to their entries, each named once; in one order, so that no two callers deadlock."""
    await conn.execute(
        """
        INSERT INTO ledger_entries (tenant_id, partition, account, reason, points)
        SELECT tenant_id, partition, account, reason, points
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[])
            AS more (tenant_id, partition, account, reason, points)
        ORDER BY tenant_id, partition, account, reason
        ON CONFLICT (tenant_id, partition, account, reason)
        DO UPDATE SET points = ledger_entries.points + excluded.points
        """,
        tenant_ids,
        partitions,
        accounts,
        reasons,
        points,
    )


async def entries(
    conn: Connection, tenant_id: str | None, topic: str, counted_by: str, written_by: str
) -> list[Record]:
    """Of one tenant or all, at one moment: entries, and how far either group had read their partition.

    Rows of `tenant_id`, `partition`, `account`, `reason`, `points`, `counted`, `written` (offsets, -1 before
    the first).
    """
    return await conn.fetch(
        """
        SELECT e.tenant_id, e.partition, e.account, e.reason, e.points,
               coalesce(c.next_offset, -1) AS counted, coalesce(w.next_offset, -1) AS written
        FROM ledger_entries AS e
        LEFT JOIN consumer_offsets AS c
            ON c.consumer_group = $3 AND c.topic = $2 AND c.partition = e.partition
        LEFT JOIN consumer_offsets AS w
            ON w.consumer_group = $4 AND w.topic = $2 AND w.partition = e.partition
        WHERE $1::text IS NULL OR e.tenant_id = $1
        ORDER BY e.tenant_id, e.partition
        """,
        tenant_id,
        topic,
        counted_by,
        written_by,
    )
