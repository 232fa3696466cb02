"""Counts of clicks: set-based upserts that lock rows in the order of their keys."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from chassis.postgres import Connection


async def add_hours(
    conn: Connection,
    link_ids: Sequence[UUID],
    hours: Sequence[datetime],
    clicks: Sequence[int],
    bot_clicks: Sequence[int],
) -> None:
    await conn.execute(
        """
        INSERT INTO click_hours AS held (link_id, hour, clicks, bot_clicks)
        SELECT link_id, hour, clicks, bot_clicks
        FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[])
            AS added (link_id, hour, clicks, bot_clicks)
        ORDER BY link_id, hour
        ON CONFLICT (link_id, hour) DO UPDATE
        SET clicks = held.clicks + excluded.clicks, bot_clicks = held.bot_clicks + excluded.bot_clicks
        """,
        link_ids,
        hours,
        clicks,
        bot_clicks,
    )


async def add_tenant_hours(
    conn: Connection,
    tenant_ids: Sequence[str],
    hours: Sequence[datetime],
    clicks: Sequence[int],
    bot_clicks: Sequence[int],
) -> None:
    await conn.execute(
        """
        INSERT INTO tenant_hours AS held (tenant_id, hour, clicks, bot_clicks)
        SELECT tenant_id, hour, clicks, bot_clicks
        FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[])
            AS added (tenant_id, hour, clicks, bot_clicks)
        ORDER BY tenant_id, hour
        ON CONFLICT (tenant_id, hour) DO UPDATE
        SET clicks = held.clicks + excluded.clicks, bot_clicks = held.bot_clicks + excluded.bot_clicks
        """,
        tenant_ids,
        hours,
        clicks,
        bot_clicks,
    )


async def add_totals(
    conn: Connection,
    link_ids: Sequence[UUID],
    tenant_ids: Sequence[str],
    clicks: Sequence[int],
    bot_clicks: Sequence[int],
    last_click_at: Sequence[datetime],
) -> None:
    await conn.execute(
        """
        INSERT INTO link_totals AS held (link_id, tenant_id, clicks, bot_clicks, last_click_at)
        SELECT link_id, tenant_id, clicks, bot_clicks, last_click_at
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[])
            AS added (link_id, tenant_id, clicks, bot_clicks, last_click_at)
        ORDER BY link_id
        ON CONFLICT (link_id) DO UPDATE
        SET clicks = held.clicks + excluded.clicks, bot_clicks = held.bot_clicks + excluded.bot_clicks,
            last_click_at = greatest(held.last_click_at, excluded.last_click_at)
        """,
        link_ids,
        tenant_ids,
        clicks,
        bot_clicks,
        last_click_at,
    )


async def add_dimensions(
    conn: Connection,
    link_ids: Sequence[UUID],
    days: Sequence[date],
    dimensions: Sequence[str],
    values: Sequence[str],
    clicks: Sequence[int],
    *,
    values_max: int,
) -> None:
    """Add to the values that are held; new ones get a row until a link's day has `values_max` of a dimension.

    The rest is counted as "(other)", so that made-up referrers cannot grow the table. The bound is soft by
    a batch when two processes add to one link at once.
    """
    await conn.execute(
        """
        WITH added AS (
            SELECT link_id, day, dimension, value, clicks
            FROM unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::bigint[])
                AS batch (link_id, day, dimension, value, clicks)
        ),
        sizes AS (
            SELECT link_id, day, dimension, count(*) AS size
            FROM click_dimensions
            WHERE (link_id, day) IN (SELECT link_id, day FROM added)
            GROUP BY link_id, day, dimension
        ),
        ranked AS (
            SELECT added.*, held.value IS NOT NULL AS known, coalesce(sizes.size, 0) + row_number() OVER (
                PARTITION BY added.link_id, added.day, added.dimension, held.value IS NULL
                ORDER BY added.clicks DESC, added.value
            ) AS place
            FROM added
            LEFT JOIN click_dimensions held USING (link_id, day, dimension, value)
            LEFT JOIN sizes USING (link_id, day, dimension)
        ),
        folded AS (
            SELECT link_id, day, dimension,
                   CASE WHEN known OR place <= $6 THEN value ELSE '(other)' END AS value, sum(clicks) AS
                   clicks
            FROM ranked
            GROUP BY 1, 2, 3, 4
        )
        INSERT INTO click_dimensions AS held (link_id, day, dimension, value, clicks)
        SELECT link_id, day, dimension, value, clicks FROM folded
        ORDER BY link_id, day, dimension, value
        ON CONFLICT (link_id, day, dimension, value) DO UPDATE SET clicks = held.clicks + excluded.clicks
        """,
        link_ids,
        days,
        dimensions,
        values,
        clicks,
        values_max,
    )


async def add_visitors(
    conn: Connection, days: Sequence[date], link_ids: Sequence[UUID], visitors: Sequence[bytes]
) -> None:
    """Count those of the day that were not seen before, per day and in all; after `add_totals`."""
    await conn.execute(
        """
        WITH fresh AS (
            INSERT INTO click_visitors (day, link_id, visitor)
            SELECT day, link_id, visitor FROM unnest($1::date[], $2::uuid[], $3::bytea[])
                AS seen (day, link_id, visitor)
            ORDER BY day, link_id, visitor
            ON CONFLICT DO NOTHING
            RETURNING day, link_id
        ),
        by_day AS (
            INSERT INTO click_days AS held (link_id, day, unique_visitors)
            SELECT link_id, day, count(*) FROM fresh GROUP BY link_id, day ORDER BY link_id, day
            ON CONFLICT (link_id, day) DO UPDATE
            SET unique_visitors = held.unique_visitors + excluded.unique_visitors
        )
        UPDATE link_totals
        SET unique_visitors = link_totals.unique_visitors + fresher.visitors
        FROM (SELECT link_id, count(*) AS visitors FROM fresh GROUP BY link_id) AS fresher
        WHERE link_totals.link_id = fresher.link_id
        """,
        days,
        link_ids,
        visitors,
    )


async def reap_visitors(conn: Connection, before: date, limit: int) -> int:
    """Forget visitors of days before `before`, at most `limit`; give how many."""
    count = await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM click_visitors
            WHERE ctid = ANY (ARRAY(SELECT ctid FROM click_visitors WHERE day < $1 LIMIT $2))
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        before,
        limit,
    )
    return int(count)
