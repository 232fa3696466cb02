"""Statistics of a link and of a tenant, read from what clicks add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection

Step = Literal["hour", "day"]


@dataclass(frozen=True, slots=True)
class Stats:
    """`series` has at, clicks, bot_clicks; `dimensions` has dimension, value, clicks, most clicks first."""

    clicks: int
    bot_clicks: int
    unique_visitors: int
    series: Sequence[Record]
    dimensions: Sequence[Record]


@dataclass(frozen=True, slots=True)
class TenantStats:
    """`links` has link_id, slug, clicks, bot_clicks, unique_visitors of the most clicked links."""

    clicks: int
    bot_clicks: int
    series: Sequence[Record]
    links: Sequence[Record]


async def link_stats(
    conn: Connection, tenant_id: str, link_id: UUID, since: datetime, until: datetime, step: Step
) -> Stats | None:
    """Give the counts of [since, until), whole UTC days for visitors and dimensions.

    Unique visitors are the sum of each day's: nobody can be told from day to day.
    None: the link is not the tenant's.
    """
    owner = await conn.fetchval("SELECT tenant_id FROM links WHERE id = $1 AND deleted_at IS NULL", link_id)
    if owner != tenant_id:
        return None
    series = await _link_series(conn, link_id, since, until, step)
    visitors = await conn.fetchval(
        """
        SELECT coalesce(sum(unique_visitors), 0)::bigint FROM click_days
        WHERE link_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
          AND day < ($3::timestamptz AT TIME ZONE 'UTC')
        """,
        link_id,
        since,
        until,
    )
    dimensions = await _link_dimensions(conn, link_id, since, until)
    clicks, bot_clicks = sum(row["clicks"] for row in series), sum(row["bot_clicks"] for row in series)
    return Stats(clicks, bot_clicks, visitors, series, dimensions)


async def tenant_stats(
    conn: Connection, tenant_id: str, since: datetime, until: datetime, step: Step, links_max: int
) -> TenantStats:
    series = await conn.fetch(
        """
        SELECT date_trunc($4, hour, 'UTC') AS at, sum(clicks)::bigint AS clicks, sum(bot_clicks)::bigint AS
        bot_clicks FROM tenant_hours
        WHERE tenant_id = $1 AND hour >= date_trunc('hour', $2::timestamptz) AND hour < $3
        GROUP BY 1 ORDER BY 1
        """,
        tenant_id,
        since,
        until,
        step,
    )
    links = await conn.fetch(
        """
        SELECT totals.link_id, links.slug, totals.clicks, totals.bot_clicks, totals.unique_visitors
        FROM link_totals totals JOIN links ON links.id = totals.link_id AND links.deleted_at IS NULL
        WHERE totals.tenant_id = $1
        ORDER BY totals.clicks DESC, totals.link_id LIMIT $2
        """,
        tenant_id,
        links_max,
    )
    clicks, bot_clicks = sum(row["clicks"] for row in series), sum(row["bot_clicks"] for row in series)
    return TenantStats(clicks, bot_clicks, series, links)


async def _link_series(
    conn: Connection, link_id: UUID, since: datetime, until: datetime, step: Step
) -> list[Record]:
    return await conn.fetch(
        """
        SELECT date_trunc($4, hour, 'UTC') AS at, sum(clicks)::bigint AS clicks, sum(bot_clicks)::bigint AS
        bot_clicks FROM click_hours
        WHERE link_id = $1 AND hour >= date_trunc('hour', $2::timestamptz) AND hour < $3
        GROUP BY 1 ORDER BY 1
        """,
        link_id,
        since,
        until,
        step,
    )


async def _link_dimensions(conn: Connection, link_id: UUID, since: datetime, until: datetime) -> list[Record]:
    return await conn.fetch(
        """
        SELECT dimension, value, sum(clicks)::bigint AS clicks
        FROM click_dimensions
        WHERE link_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
          AND day < ($3::timestamptz AT TIME ZONE 'UTC')
        GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2
        """,
        link_id,
        since,
        until,
    )
