"""Who an API key belongs to, and the tenants that a fresh installation has."""

from collections.abc import Sequence

from chassis.postgres import Pool

from shortener.store import tenants as store
from shortener.usecases.resources import Tenant


async def find_tenant(db: Pool, key_sha256: bytes) -> Tenant | None:
    async with db.acquire() as conn:
        row = await store.by_key(conn, key_sha256)
    if row is None:
        return None
    return Tenant(
        id=row["id"],
        name=row["name"],
        rate_per_s=row["rate_per_s"],
        burst=row["burst"],
        links_per_month=row["links_per_month"],
    )


async def put_tenants(db: Pool, tenants: Sequence[tuple[Tenant, bytes]]) -> None:
    """Create or update each tenant and leave it the given key alone."""
    async with db.acquire() as conn, conn.transaction():
        for tenant, key_sha256 in tenants:
            await store.upsert(
                conn, tenant.id, tenant.name, tenant.rate_per_s, tenant.burst, tenant.links_per_month
            )
            await store.revoke_other_keys(conn, tenant.id, [key_sha256])
            await store.add_key(conn, tenant.id, key_sha256)
