"""Rows of cache_invalidations: what Redis still has to be told."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def insert(
    conn: Connection, revisions: Sequence[int], slugs: Sequence[str], payloads: Sequence[str]
) -> None:
    """Record changes and tell every listening process at commit, in one round trip."""
    await conn.fetch(
        """
        WITH recorded AS (
            INSERT INTO cache_invalidations (revision, slug)
            SELECT revision, slug FROM unnest($1::bigint[], $2::text[]) AS changed (revision, slug)
        )
        SELECT pg_notify('shortener_invalidations', payload) FROM unnest($3::text[]) AS told (payload)
        """,
        revisions,
        slugs,
        payloads,
    )


async def pending(conn: Connection, limit: int) -> list[Record]:
    """Give what Redis was not told yet, oldest first; the youngest are left to the process that made them."""
    return await conn.fetch(
        """
        SELECT revision, slug FROM cache_invalidations
        WHERE published_at IS NULL AND created_at < clock_timestamp() - interval '200 milliseconds'
        ORDER BY revision LIMIT $1
        """,
        limit,
    )


async def unpublished(conn: Connection, after_revision: int, limit: int) -> list[Record]:
    """Give one page of what Redis may still contradict, however young."""
    return await conn.fetch(
        """
        SELECT revision, slug FROM cache_invalidations
        WHERE published_at IS NULL AND revision > $1
        ORDER BY revision LIMIT $2
        """,
        after_revision,
        limit,
    )


async def recent(conn: Connection, age_s: float, after_revision: int, limit: int) -> list[Record]:
    """Give one page of all changes of the last `age_s` seconds, told or not."""
    return await conn.fetch(
        """
        SELECT revision, slug FROM cache_invalidations
        WHERE created_at > clock_timestamp() - $1 * interval '1 second' AND revision > $2
        ORDER BY revision LIMIT $3
        """,
        age_s,
        after_revision,
        limit,
    )


async def mark_published(conn: Connection, revisions: Sequence[int]) -> None:
    await conn.execute(
        """
        UPDATE cache_invalidations SET published_at = clock_timestamp()
        WHERE revision = ANY($1::bigint[]) AND published_at IS NULL
        """,
        revisions,
    )


async def count_pending(conn: Connection) -> int:
    count = await conn.fetchval("SELECT count(*) FROM cache_invalidations WHERE published_at IS NULL")
    return int(count)


async def delete_published(conn: Connection, age_s: float, limit: int) -> int:
    """Delete told rows older than `age_s`; give how many."""
    count = await conn.fetchval(
        """
        WITH gone AS (
            DELETE FROM cache_invalidations WHERE revision IN (
                SELECT revision FROM cache_invalidations
                WHERE published_at IS NOT NULL AND created_at < clock_timestamp() - $1 * interval '1 second'
                LIMIT $2
            )
            RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        age_s,
        limit,
    )
    return int(count)
