"""Statements of the rollups: what is declared, what is due, and whose turn it is."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def declared(conn: Connection, tenant_id: str) -> list[Record]:
    """Rows of `metric`, in order."""
    return await conn.fetch("SELECT metric FROM rollups WHERE tenant_id = $1 ORDER BY metric", tenant_id)


async def drop_others(conn: Connection, tenant_id: str, metrics: Sequence[str]) -> None:
    """What they came to so far stays in the store."""
    await conn.execute(
        "DELETE FROM rollups WHERE tenant_id = $1 AND metric <> ALL ($2::text[])", tenant_id, metrics
    )


async def declare(conn: Connection, tenant_id: str, metrics: Sequence[str]) -> None:
    await conn.execute(
        """
        INSERT INTO rollups (tenant_id, metric)
        SELECT $1, metric FROM unnest($2::text[]) AS wanted (metric) ORDER BY metric
        ON CONFLICT (tenant_id, metric) DO NOTHING
        """,
        tenant_id,
        metrics,
    )


async def page(conn: Connection, after: tuple[str, str], recheck_s: float, count_max: int) -> list[Record]:
    """Rows of `tenant_id`, `metric`, `late_window_s` and `whole`: whether the late window's look is due."""
    tenant_id, metric = after
    return await conn.fetch(
        """
        SELECT r.tenant_id, r.metric, t.late_window_s,
               r.rechecked_at <= now() - make_interval(secs => $3) AS whole
        FROM rollups AS r JOIN tenants AS t ON t.id = r.tenant_id
        WHERE (r.tenant_id, r.metric) > ($1, $2)
        ORDER BY r.tenant_id, r.metric LIMIT $4
        """,
        tenant_id,
        metric,
        recheck_s,
        count_max,
    )


async def rechecked(conn: Connection, tenant_id: str, metric: str) -> None:
    await conn.execute(
        "UPDATE rollups SET rechecked_at = now() WHERE tenant_id = $1 AND metric = $2", tenant_id, metric
    )


async def take_lease(conn: Connection, owner: str, lease_s: float) -> bool:
    """Take it, or renew one's own; false while it is another's."""
    held = await conn.fetchval(
        """
        UPDATE rollup_lease SET owner = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
        WHERE owner = $1 OR expires_at <= clock_timestamp()
        RETURNING true
        """,
        owner,
        lease_s,
    )
    return held is not None
