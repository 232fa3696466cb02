"""Tenants with their limits, and their API keys."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def by_key(conn: Connection, key_sha256: bytes) -> Record | None:
    """Give the tenant of a key that is not revoked."""
    return await conn.fetchrow(
        """
        SELECT tenants.id, tenants.name, tenants.points_per_s, tenants.active_series_max,
               tenants.new_series_per_h, tenants.late_window_s, tenants.labels_max, tenants.name_bytes_max,
               tenants.value_bytes_max, tenants.body_bytes_max, tenants.unpacked_bytes_max
        FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant_id
        WHERE api_keys.key_sha256 = $1 AND api_keys.revoked_at IS NULL
        """,
        key_sha256,
    )


async def by_id(conn: Connection, tenant_id: str) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, name, points_per_s, active_series_max, new_series_per_h, late_window_s, labels_max,
               name_bytes_max, value_bytes_max, body_bytes_max, unpacked_bytes_max
        FROM tenants WHERE id = $1
        """,
        tenant_id,
    )


async def upsert(conn: Connection, tenant_id: str, name: str, new_series_per_h: int) -> None:
    """A new tenant has the default limits but for this one; those of one that is there stay as they are."""
    await conn.execute(
        """
        INSERT INTO tenants (id, name, new_series_per_h) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name
        """,
        tenant_id,
        name,
        new_series_per_h,
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
