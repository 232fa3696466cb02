"""Links as the redirect reads them, and the exact count of visits."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection


async def by_slugs(conn: Connection, slugs: Sequence[str], timeout_s: float) -> list[Record]:
    """Give the live links among `slugs`."""
    return await conn.fetch(
        """
        SELECT slug, id, tenant_id, url, status, state, revision, max_visits, rules, utm,
               extract(epoch FROM since)::float8 AS since, extract(epoch FROM until)::float8 AS until
        FROM links
        WHERE slug = ANY($1::text[]) AND deleted_at IS NULL
        """,
        slugs,
        timeout=timeout_s,
    )


async def grant_visits(
    conn: Connection, link_ids: Sequence[UUID], wanted: Sequence[int], timeout_s: float
) -> list[Record]:
    """Count up to `wanted` visits of each link and give how many were granted and how many are left.

    Locks are taken in the order of ids, so that processes granting the same links never deadlock. A link
    that is gone, switched off or no longer limited is absent.
    """
    return await conn.fetch(
        """
        WITH held AS (
            SELECT links.id, links.visits_used, links.max_visits, asked.visits
            FROM links JOIN unnest($1::uuid[], $2::integer[]) AS asked (id, visits) USING (id)
            WHERE links.deleted_at IS NULL AND links.state = 'active' AND links.max_visits IS NOT NULL
            ORDER BY links.id
            FOR UPDATE OF links
        )
        UPDATE links
        SET visits_used = greatest(held.visits_used, least(held.visits_used + held.visits, held.max_visits))
        FROM held
        WHERE links.id = held.id
        RETURNING links.id, links.visits_used - held.visits_used AS granted,
                  held.max_visits - links.visits_used AS remaining
        """,
        link_ids,
        wanted,
        timeout=timeout_s,
    )
