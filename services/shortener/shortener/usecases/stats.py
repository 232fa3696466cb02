"""Reading what clicks added up to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shortener.problems import LinkNotFound
from shortener.store import stats as store
from shortener.store.stats import Stats, Step, TenantStats
from shortener.usecases.resources import Resources, Tenant

__all__ = ["Span", "Stats", "link_stats", "tenant_stats"]


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` up to, and without, `until`, in steps of an hour or a day (UTC)."""

    since: datetime
    until: datetime
    step: Step


async def link_stats(resources: Resources, tenant: Tenant, link_id: UUID, span: Span) -> Stats:
    """Raises LinkNotFound, also for a link of another tenant."""
    async with resources.db.acquire() as conn:
        stats = await store.link_stats(conn, tenant.id, link_id, span.since, span.until, span.step)
    if stats is None:
        raise LinkNotFound
    return stats


async def tenant_stats(resources: Resources, tenant: Tenant, span: Span) -> TenantStats:
    links_max = resources.settings.stats_links_max
    async with resources.db.acquire() as conn:
        return await store.tenant_stats(conn, tenant.id, span.since, span.until, span.step, links_max)
