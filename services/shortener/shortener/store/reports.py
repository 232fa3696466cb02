"""Abuse reports: what people said about a link, and what the operator made of it."""

from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection


async def insert(
    conn: Connection, report_id: UUID, slug: str, reason: str, comment: str | None, contact: str | None
) -> Record | None:
    """None when no live link bears the slug."""
    return await conn.fetchrow(
        """
        INSERT INTO abuse_reports (id, link_id, slug, reason, comment, contact)
        SELECT $1, links.id, links.slug, $3, $4, $5
        FROM links
        WHERE links.slug = $2 AND links.deleted_at IS NULL
        RETURNING id, link_id, slug, reason, comment, contact, state, resolution, created_at, resolved_at
        """,
        report_id,
        slug,
        reason,
        comment,
        contact,
    )


async def page(conn: Connection, state: str | None, after: UUID | None, limit: int) -> list[Record]:
    """Give one page, newest first."""
    return await conn.fetch(
        """
        SELECT id, link_id, slug, reason, comment, contact, state, resolution, created_at, resolved_at
        FROM abuse_reports
        WHERE ($1::text IS NULL OR state = $1)
          AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY id DESC
        LIMIT $3
        """,
        state,
        after,
        limit,
    )


async def lock(conn: Connection, report_id: UUID) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, link_id, slug, reason, comment, contact, state, resolution, created_at, resolved_at
        FROM abuse_reports
        WHERE id = $1
        FOR UPDATE
        """,
        report_id,
    )


async def resolve(conn: Connection, report_id: UUID, state: str, resolution: str | None) -> Record | None:
    """None when the report is not open any more."""
    return await conn.fetchrow(
        """
        UPDATE abuse_reports SET state = $2, resolution = $3, resolved_at = now()
        WHERE id = $1 AND state = 'open'
        RETURNING id, link_id, slug, reason, comment, contact, state, resolution, created_at, resolved_at
        """,
        report_id,
        state,
        resolution,
    )
