"""How many series a tenant has, how many more it may begin, and which names they go by."""

from dataclasses import dataclass

from chassis.postgres import Pool

from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.store import series as store
from metrics_ingest.usecases.series import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Cardinality:
    tenant: str
    active_series: int
    active_series_max: int
    new_series_this_hour: int
    new_series_per_h: int
    # What may still begin now: the smaller rest of both.
    series_left: int
    top_names: list[tuple[str, int]]


async def cardinality(pool: Pool, tenant: Tenant, *, names_max: int) -> Cardinality:
    """As Postgres has it: of all processes, an idle hour included."""
    async with pool.acquire() as conn:
        budget = Budget.of(await store.budget(conn, tenant.id))
        names = await store.top_names(conn, tenant.id, names_max)
    return Cardinality(
        tenant=tenant.id,
        active_series=budget.active,
        active_series_max=tenant.active_series_max,
        new_series_this_hour=budget.new_in_hour,
        new_series_per_h=tenant.new_series_per_h,
        series_left=budget.room(tenant)[0],
        top_names=[(row["name"], row["series"]) for row in names],
    )
