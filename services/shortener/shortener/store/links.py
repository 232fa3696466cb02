"""Rows of links: creating, reading and changing them, always of one tenant."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection

from shortener.domain.links import Content


async def insert(conn: Connection, tenant_id: str, rows: Sequence[dict[str, Any]]) -> list[Record]:
    """Insert what no other link stands in the way of, in one statement; give what the database added to each.

    Sorted by slug, so that two bulks with the same slugs wait for each other instead of deadlocking.
    """
    return await conn.fetch(
        """
        INSERT INTO links (
            id, tenant_id, slug, skeleton, url, status, since, until, max_visits, tags, rules, utm, title
        )
        SELECT id, $1, slug, skeleton, url, status, since, until, max_visits, tags,
               nullif(rules, 'null'), nullif(utm, 'null'), title
        FROM jsonb_to_recordset($2::jsonb) AS new (
            id uuid, slug text, skeleton text, url text, status smallint, since timestamptz,
            until timestamptz, max_visits integer, tags text[], rules jsonb, utm jsonb, title text
        )
        ORDER BY slug COLLATE "C", id
        ON CONFLICT DO NOTHING
        RETURNING id, revision, created_at
        """,
        tenant_id,
        rows,
    )


async def remove(conn: Connection, tenant_id: str, ids: Sequence[UUID]) -> None:
    """Take back rows that this transaction inserted."""
    await conn.execute("DELETE FROM links WHERE tenant_id = $1 AND id = ANY($2::uuid[])", tenant_id, ids)


async def free_slugs(
    conn: Connection, tenant_id: str, slugs: Sequence[str], skeletons: Sequence[str]
) -> list[Record]:
    """Move the tenant's own deleted links out of the way; one that was taken down keeps its slug for good."""
    return await conn.fetch(
        """
        UPDATE links SET slug = '~' || id, skeleton = NULL
        WHERE tenant_id = $1 AND (slug = ANY($2::text[]) OR skeleton = ANY($3::text[]))
          AND deleted_at IS NOT NULL AND state <> 'taken_down'
        RETURNING id
        """,
        tenant_id,
        slugs,
        skeletons,
    )


async def slugs_held(conn: Connection, slugs: Sequence[str]) -> list[str]:
    """Give those of the slugs that stand in the table, of whichever tenant, deleted ones included."""
    rows = await conn.fetch("SELECT slug FROM links WHERE slug = ANY($1::text[])", slugs)
    return [row["slug"] for row in rows]


async def get(conn: Connection, tenant_id: str, link_id: UUID) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
        """,
        tenant_id,
        link_id,
    )


async def lock(conn: Connection, tenant_id: str, link_id: UUID) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
        FOR UPDATE
        """,
        tenant_id,
        link_id,
    )


async def lock_any(conn: Connection, link_id: UUID | None, slug: str) -> Record | None:
    """For the operator, who reaches every tenant's links: by id, else by slug.

    Deleted ones too, so that a slug can be taken down before its tenant takes it again.
    """
    return await conn.fetchrow(
        """
        SELECT id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
               title, state, state_reason, version, revision, created_at, updated_at
        FROM links
        WHERE id = $1 OR slug = $2
        ORDER BY (id = $1) DESC NULLS LAST
        LIMIT 1
        FOR UPDATE
        """,
        link_id,
        slug,
    )


async def update_content(conn: Connection, link_id: UUID, content: Content) -> Record:
    row = await conn.fetchrow(
        """
        UPDATE links
        SET url = $2, status = $3, since = $4, until = $5, max_visits = $6, tags = $7, rules = $8, utm = $9,
            title = $10, version = version + 1, revision = nextval('link_revisions'), updated_at = now()
        WHERE id = $1
        RETURNING id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
                  title, state, state_reason, version, revision, created_at, updated_at
        """,
        link_id,
        content.url,
        content.status,
        content.since,
        content.until,
        content.max_visits,
        content.tags,
        content.rules,
        content.utm,
        content.title,
    )
    assert row is not None  # noqa: S101 the caller holds its lock
    return row


async def update_state(conn: Connection, link_id: UUID, state: str, reason: str | None) -> Record:
    row = await conn.fetchrow(
        """
        UPDATE links
        SET state = $2, state_reason = $3, version = version + 1, revision = nextval('link_revisions'),
            updated_at = now()
        WHERE id = $1
        RETURNING id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
                  title, state, state_reason, version, revision, created_at, updated_at
        """,
        link_id,
        state,
        reason,
    )
    assert row is not None  # noqa: S101 the caller holds its lock
    return row


async def delete(conn: Connection, link_id: UUID) -> Record:
    row = await conn.fetchrow(
        """
        UPDATE links
        SET deleted_at = now(), version = version + 1, revision = nextval('link_revisions'),
            updated_at = now()
        WHERE id = $1
        RETURNING id, tenant_id, slug, url, status, since, until, max_visits, visits_used, tags, rules, utm,
                  title, state, state_reason, version, revision, created_at, updated_at
        """,
        link_id,
    )
    assert row is not None  # noqa: S101 the caller holds its lock
    return row
