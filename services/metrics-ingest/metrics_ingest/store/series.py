"""Statements of the series registry. Whoever changes a tenant's series holds the lock of its budget's row."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def budget(conn: Connection, tenant_id: str) -> Record | None:
    """As it stands now, unlocked: `active`, `new_in_hour`, `revision`."""
    return await conn.fetchrow(
        """
        SELECT active, revision,
               CASE WHEN hour_at = date_trunc('hour', now(), 'UTC') THEN new_in_hour ELSE 0 END AS new_in_hour
        FROM series_budgets WHERE tenant_id = $1
        """,
        tenant_id,
    )


async def open_budget(conn: Connection, tenant_id: str) -> None:
    await conn.execute(
        "INSERT INTO series_budgets (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING", tenant_id
    )


async def lock_budget(conn: Connection, tenant_id: str) -> Record | None:
    """The same, locked until the transaction ends. A statement of its own: later ones see what was before."""
    return await conn.fetchrow(
        """
        SELECT active, revision,
               CASE WHEN hour_at = date_trunc('hour', now(), 'UTC') THEN new_in_hour ELSE 0 END AS new_in_hour
        FROM series_budgets WHERE tenant_id = $1 FOR UPDATE
        """,
        tenant_id,
    )


async def register(
    conn: Connection, tenant_id: str, hashes: Sequence[bytes], names: Sequence[str], room: int
) -> list[Record]:
    """Of different series, in order: those the tenant has, and of the others as many as there is room for.

    Rows of `series_hash` and `fresh`.
    """
    return await conn.fetch(
        """
        WITH wanted AS (
            SELECT w.series_hash, w.name, w.place, s.tenant_id IS NOT NULL AS registered
            FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS w (series_hash, name, place)
            LEFT JOIN series AS s ON s.tenant_id = $1 AND s.series_hash = w.series_hash
        ), fresh AS (
            SELECT series_hash, name FROM wanted WHERE NOT registered ORDER BY place LIMIT $4
        ), counted AS (
            UPDATE series_budgets
            SET active = active + (SELECT count(*) FROM fresh),
                new_in_hour = (SELECT count(*) FROM fresh)
                    + CASE WHEN hour_at = date_trunc('hour', now(), 'UTC') THEN new_in_hour ELSE 0 END,
                hour_at = date_trunc('hour', now(), 'UTC'),
                revision = revision + 1
            WHERE tenant_id = $1
            RETURNING revision
        ), inserted AS (
            INSERT INTO series (tenant_id, series_hash, name, revision, last_seen_at)
            SELECT $1, fresh.series_hash, fresh.name, counted.revision, now() FROM fresh, counted
            RETURNING series_hash
        )
        SELECT series_hash, true AS fresh FROM inserted
        UNION ALL
        SELECT series_hash, false FROM wanted WHERE registered
        """,
        tenant_id,
        hashes,
        names,
        room,
    )


async def changes(conn: Connection, tenant_id: str, after: tuple[int, bytes], count_max: int) -> list[Record]:
    """Series registered since, a page in the order of `revision, series_hash`."""
    revision, series_hash = after
    return await conn.fetch(
        """
        SELECT revision, series_hash FROM series
        WHERE tenant_id = $1 AND (revision, series_hash) > ($2, $3)
        ORDER BY revision, series_hash LIMIT $4
        """,
        tenant_id,
        revision,
        series_hash,
        count_max,
    )


async def touch(
    conn: Connection, tenant_id: str, hashes: Sequence[bytes], seen_s: Sequence[int]
) -> list[Record]:
    """Tell when series were last seen; the answer lists those that are still registered."""
    return await conn.fetch(
        """
        UPDATE series AS s SET last_seen_at = greatest(s.last_seen_at, to_timestamp(t.seen_s))
        FROM unnest($2::bytea[], $3::bigint[]) AS t (series_hash, seen_s)
        WHERE s.tenant_id = $1 AND s.series_hash = t.series_hash
        RETURNING s.series_hash
        """,
        tenant_id,
        hashes,
        seen_s,
    )


async def tenants_with_series(conn: Connection) -> list[Record]:
    return await conn.fetch("SELECT tenant_id FROM series_budgets WHERE active > 0 ORDER BY tenant_id")


async def expire(conn: Connection, tenant_id: str, idle_s: float, count_max: int) -> list[Record]:
    """Series that were not seen for so long make room; at most `count_max` at a time."""
    return await conn.fetch(
        """
        WITH idle AS (
            SELECT series_hash FROM series
            WHERE tenant_id = $1 AND last_seen_at < now() - make_interval(secs => $2) LIMIT $3
        ), gone AS (
            DELETE FROM series AS s USING idle
            WHERE s.tenant_id = $1 AND s.series_hash = idle.series_hash
            RETURNING s.series_hash
        ), counted AS (
            UPDATE series_budgets
            SET active = active - (SELECT count(*) FROM gone), revision = revision + 1
            WHERE tenant_id = $1 AND EXISTS (SELECT FROM gone)
        )
        SELECT series_hash FROM gone
        """,
        tenant_id,
        idle_s,
        count_max,
    )


async def top_names(conn: Connection, tenant_id: str, count_max: int) -> list[Record]:
    """Metric names by how many series each has: `name`, `series`."""
    return await conn.fetch(
        """
        SELECT name, count(*) AS series FROM series WHERE tenant_id = $1
        GROUP BY name ORDER BY series DESC, name LIMIT $2
        """,
        tenant_id,
        count_max,
    )
