"""Registries on one database, as several processes would hold them."""

from dataclasses import dataclass, field

import asyncpg
from chassis import postgres
from chassis.settings import ChassisSettings
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.labels import Identity, judge_pairs
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.wire import put_labels
from metrics_ingest.usecases.series import Registry


def tenant(name: str = "acme", **limits: int) -> Tenant:
    return Tenant(id=name, name=name, **limits)


def series(count: int, name: str = "up", first: int = 0) -> dict[bytes, Identity]:
    """Identities by label bytes, as the engine asks for them."""
    found = {}
    for number in range(first, first + count):
        pairs = [(b"__name__", name.encode()), (b"i", b"%d" % number)]
        identity = judge_pairs(pairs, tenant())
        assert isinstance(identity, Identity)
        found[put_labels(pairs)] = identity
    return found


@dataclass
class Clock:
    now_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class World:
    dsn: str
    pool: postgres.Pool
    clock: Clock = field(default_factory=Clock)

    def registry(self, **bounds: float) -> Registry:
        """One process's; each call is another process."""
        return Registry(Bounds(**bounds), self.pool, clock=self.clock)  # type: ignore[arg-type]

    async def count(self, tenant_id: str = "acme") -> tuple[int, int]:
        """Series there are, and series counted."""
        async with self.pool.acquire() as conn:
            row = await conn.fetchrow(
                """
                SELECT (SELECT count(*) FROM series WHERE tenant_id = $1) AS there,
                       coalesce((SELECT active FROM series_budgets WHERE tenant_id = $1), 0) AS counted
                """,
                tenant_id,
            )
        return row["there"], row["counted"]

    async def age(self, seconds: float) -> None:
        """As if that much time had passed in Postgres."""
        async with self.pool.acquire() as conn:
            await conn.execute(
                "UPDATE series SET last_seen_at = last_seen_at - make_interval(secs => $1)", seconds
            )

    async def is_within_an_hour(self) -> bool:
        """Whether Postgres' clock hour ends in ten seconds at the earliest."""
        async with self.pool.acquire() as conn:
            left_s = await conn.fetchval(
                "SELECT 3600 - extract(epoch FROM now() - date_trunc('hour', now(), 'UTC'))::integer"
            )
        return bool(left_s > 10)

    async def begin_another_hour(self) -> None:
        async with self.pool.acquire() as conn:
            await conn.execute("UPDATE series_budgets SET hour_at = hour_at - interval '1 hour'")


def settings(dsn: str) -> ChassisSettings:
    return ChassisSettings(service_name="metrics-ingest", database_url=dsn, database_timeout_s=10.0)


async def add_tenants(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute("INSERT INTO tenants (id, name) VALUES ('acme', 'Acme'), ('globex', 'Globex')")
    finally:
        await conn.close()
