"""Pages of a tenant's links, newest first; `after` is the last id of the page before."""

from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection


async def page(conn: Connection, tenant_id: str, after: UUID | None, limit: int) -> list[Record]:
    return await conn.fetch(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE tenant_id = $1 AND deleted_at IS NULL
          AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        after,
        limit,
    )


async def page_tagged(
    conn: Connection, tenant_id: str, after: UUID | None, limit: int, tag: str
) -> list[Record]:
    return await conn.fetch(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE tenant_id = $1 AND deleted_at IS NULL
          AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
          AND tags @> ARRAY[$4::text] AND tags <> '{}'
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        after,
        limit,
        tag,
    )


async def page_found(
    conn: Connection, tenant_id: str, after: UUID | None, limit: int, tag: str | None, pattern: str
) -> list[Record]:
    """Give one page of the links whose slug, URL or title hold the LIKE pattern, in any case."""
    return await conn.fetch(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE tenant_id = $1 AND deleted_at IS NULL
          AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
          AND ($4::text IS NULL OR tags @> ARRAY[$4::text])
          AND (slug || ' ' || url || ' ' || coalesce(title, '')) ILIKE $5
        ORDER BY id DESC
        LIMIT $3
        """,
        tenant_id,
        after,
        limit,
        tag,
        pattern,
    )
