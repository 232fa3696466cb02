"""Tenants and their API keys."""

from asyncpg import Record
from chassis.postgres import Connection


async def by_key(conn: Connection, key_sha256: bytes) -> Record | None:
    """Give the tenant of a key that is not revoked."""
    return await conn.fetchrow(
        """
        SELECT tenants.id, tenants.name, tenants.rate_per_s, tenants.burst
        FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant_id
        WHERE api_keys.key_sha256 = $1 AND api_keys.revoked_at IS NULL
        """,
        key_sha256,
    )


async def upsert(conn: Connection, tenant_id: str, name: str, rate_per_s: float, burst: int) -> None:
    await conn.execute(
        """
        INSERT INTO tenants (id, name, rate_per_s, burst)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE
        SET name = excluded.name, rate_per_s = excluded.rate_per_s, burst = excluded.burst
        """,
        tenant_id,
        name,
        rate_per_s,
        burst,
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


async def revoke_other_keys(conn: Connection, tenant_id: str, kept: bytes) -> None:
    """Revoke every key of the tenant but this one."""
    await conn.execute(
        """
        UPDATE api_keys SET revoked_at = now()
        WHERE tenant_id = $1 AND key_sha256 <> $2 AND revoked_at IS NULL
        """,
        tenant_id,
        kept,
    )
