"""Tenants, their API keys and what they have used of their quota."""

from collections.abc import Sequence
from datetime import date

from asyncpg import Record
from chassis.postgres import Connection


async def by_key(conn: Connection, key_sha256: bytes) -> Record | None:
    """Give the tenant of a key that is not revoked."""
    return await conn.fetchrow(
        """
        SELECT tenants.id, tenants.name, tenants.rate_per_s, tenants.burst, tenants.links_per_month
        FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant_id
        WHERE api_keys.key_sha256 = $1 AND api_keys.revoked_at IS NULL
        """,
        key_sha256,
    )


async def upsert(
    conn: Connection, tenant_id: str, name: str, rate_per_s: float, burst: int, links_per_month: int
) -> None:
    await conn.execute(
        """
        INSERT INTO tenants (id, name, rate_per_s, burst, links_per_month)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE
        SET name = excluded.name, rate_per_s = excluded.rate_per_s, burst = excluded.burst,
            links_per_month = excluded.links_per_month
        """,
        tenant_id,
        name,
        rate_per_s,
        burst,
        links_per_month,
    )


async def add_key(conn: Connection, tenant_id: str, key_sha256: bytes) -> None:
    """Add a key, or give it back to this tenant when it was revoked."""
    await conn.execute(
        """
        INSERT INTO api_keys (key_sha256, tenant_id)
        VALUES ($2, $1)
        ON CONFLICT (key_sha256) DO UPDATE SET tenant_id = excluded.tenant_id, revoked_at = NULL
        """,
        tenant_id,
        key_sha256,
    )


async def revoke_other_keys(conn: Connection, tenant_id: str, kept: Sequence[bytes]) -> None:
    """Revoke every key of the tenant but these."""
    await conn.execute(
        """
        UPDATE api_keys SET revoked_at = now()
        WHERE tenant_id = $1 AND key_sha256 <> ALL($2::bytea[]) AND revoked_at IS NULL
        """,
        tenant_id,
        kept,
    )


async def quota_used(conn: Connection, tenant_id: str, month: date) -> int:
    used = await conn.fetchval(
        "SELECT coalesce(sum(links), 0) FROM quota_usage WHERE tenant_id = $1 AND month = $2",
        tenant_id,
        month,
    )
    return int(used)


async def take_quota_of_shard(conn: Connection, tenant_id: str, month: date, shard: int, share: int) -> bool:
    """Count one link in one shard, if its share has room and the month was opened."""
    taken = await conn.fetchval(
        """
        UPDATE quota_usage SET links = links + 1
        WHERE tenant_id = $1 AND month = $2 AND shard = $3 AND links < $4
        RETURNING true
        """,
        tenant_id,
        month,
        shard,
        share,
    )
    return taken is not None


async def open_quota(conn: Connection, tenant_id: str, month: date, shards: int) -> None:
    await conn.execute(
        """
        INSERT INTO quota_usage (tenant_id, month, shard)
        SELECT $1, $2, shard FROM generate_series(0, $3 - 1) AS shard
        ON CONFLICT DO NOTHING
        """,
        tenant_id,
        month,
        shards,
    )


async def take_quota(
    conn: Connection, tenant_id: str, month: date, wanted: int, shares: Sequence[int]
) -> int:
    """Count up to `wanted` links over all shards and give how many; locks the shards in their order."""
    taken = await conn.fetchval(
        """
        WITH held AS (
            SELECT shard, links FROM quota_usage
            WHERE tenant_id = $1 AND month = $2
            ORDER BY shard
            FOR UPDATE
        ),
        room AS (
            SELECT shard, greatest(coalesce(($4::integer[])[shard + 1], 0) - links, 0) AS free FROM held
        ),
        spread AS (
            SELECT shard, least(free, greatest($3 - (sum(free) OVER so_far - free), 0))::integer AS part
            FROM room WINDOW so_far AS (ORDER BY shard)
        ),
        counted AS (
            UPDATE quota_usage SET links = quota_usage.links + spread.part
            FROM spread
            WHERE quota_usage.tenant_id = $1 AND quota_usage.month = $2
              AND quota_usage.shard = spread.shard AND spread.part > 0
            RETURNING spread.part
        )
        SELECT coalesce(sum(part), 0) FROM counted
        """,
        tenant_id,
        month,
        wanted,
        shares,
    )
    return int(taken)
