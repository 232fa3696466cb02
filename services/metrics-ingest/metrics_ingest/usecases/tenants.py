"""Who an API key belongs to, also while Postgres is away, and the tenants of a fresh installation."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from asyncpg import Record
from chassis.postgres import PASSING, DatabaseUnavailable, Pool

from metrics_ingest.domain.tenants import NEW_SERIES_PER_H, Tenant
from metrics_ingest.store import tenants as store


class TenantUnknown(Exception):  # noqa: N818 a state of the installation
    """The tenant that StatsD's packets belong to has not been put in place (yet)."""


class Tenants:
    """Looks tenants up; what was found lately stands in while Postgres cannot be asked.

    Raises `DatabaseUnavailable` for whom it does not know then.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        timeout_s: float,
        kept_s: float,
        kept_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._kept_s = kept_s
        self._kept_max = kept_max
        self._clock = clock
        self._kept: OrderedDict[bytes | str, tuple[float, Tenant]] = OrderedDict()

    async def by_key(self, key_sha256: bytes) -> Tenant | None:
        return await self._found(key_sha256, self._ask_by_key(key_sha256))

    async def by_id(self, tenant_id: str) -> Tenant:
        """Raises `TenantUnknown`."""
        tenant = await self._found(tenant_id, self._ask_by_id(tenant_id))
        if tenant is None:
            raise TenantUnknown(tenant_id)
        return tenant

    async def _found(self, what: bytes | str, asking: Awaitable[Record | None]) -> Tenant | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                row = await asking
        except PASSING as error:
            found_at, known = self._kept.get(what, (float("-inf"), None))
            if known is None or self._clock() - found_at > self._kept_s:
                raise DatabaseUnavailable(str(error) or type(error).__name__) from error
            return known
        if row is None:
            self._kept.pop(what, None)
            return None
        tenant = Tenant(**dict(row))
        self._kept[what] = (self._clock(), tenant)
        self._kept.move_to_end(what)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return tenant

    async def _ask_by_key(self, key_sha256: bytes) -> Record | None:
        async with self._pool.acquire() as conn:
            return await store.by_key(conn, key_sha256)

    async def _ask_by_id(self, tenant_id: str) -> Record | None:
        async with self._pool.acquire() as conn:
            return await store.by_id(conn, tenant_id)


async def put_tenants(
    pool: Pool, tenants: Sequence[tuple[str, str, bytes]], *, new_series_per_h: int = NEW_SERIES_PER_H
) -> None:
    """Id, name and key hash of each: created with the default limits, and left with that key alone."""
    async with pool.acquire() as conn, conn.transaction():
        for tenant_id, name, key_sha256 in tenants:
            await store.upsert(conn, tenant_id, name, new_series_per_h)
            await store.revoke_other_keys(conn, tenant_id, [key_sha256])
            await store.add_key(conn, tenant_id, key_sha256)
