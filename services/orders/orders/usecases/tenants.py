"""Who an API key belongs to, and the tenants that a fresh installation has."""

from collections.abc import Sequence

from chassis.postgres import Pool

from orders.domain.tenants import Tenant
from orders.store import tenants as store


async def find_tenant(db: Pool, key_sha256: bytes) -> Tenant | None:
    async with db.acquire() as conn:
        row = await store.by_key(conn, key_sha256)
    return None if row is None else Tenant(row["id"], row["name"], row["rate_per_s"], row["burst"])


async def put_tenants(db: Pool, tenants: Sequence[tuple[Tenant, bytes]]) -> None:
    """Create or update each tenant and leave it the given key alone."""
    async with db.acquire() as conn, conn.transaction():
        for tenant, key_sha256 in tenants:
            await store.upsert(conn, tenant.id, tenant.name, tenant.rate_per_s, tenant.burst)
            await store.revoke_other_keys(conn, tenant.id, key_sha256)
            await store.add_key(conn, tenant.id, key_sha256)
