"""The monthly quota of links: exact, also when many processes create at once."""

import random
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

from chassis import metrics
from chassis.postgres import Connection

from shortener.domain import quota
from shortener.problems import QuotaExceeded
from shortener.store import tenants as store
from shortener.usecases.resources import Resources, Tenant, now

_REFUSED = metrics.counter("shortener_quota_refused_total", "Links refused by the monthly quota.")


@dataclass(frozen=True, slots=True)
class QuotaState:
    month: date
    used: int
    limit: int


async def get_quota(resources: Resources, tenant: Tenant) -> QuotaState:
    month = quota.month_of(now())
    async with resources.db.acquire() as conn:
        used = await store.quota_used(conn, tenant.id, month)
    return QuotaState(month, used, tenant.links_per_month)


async def take_up_to(conn: Connection, tenant: Tenant, wanted: int) -> int:
    """Count links in the transaction that creates them and give how many the quota allows.

    Taken last in the transaction, because the counted shard stays locked until its commit.
    """
    if wanted <= 0:
        return 0
    month = quota.month_of(now())
    if wanted == 1:
        shard = random.randrange(quota.SHARDS)  # noqa: S311 spreads load
        share = quota.share(tenant.links_per_month, shard)
        if await store.take_quota_of_shard(conn, tenant.id, month, shard, share):
            return 1
    shares = [quota.share(tenant.links_per_month, shard) for shard in range(quota.SHARDS)]
    await store.open_quota(conn, tenant.id, month, quota.SHARDS)
    taken = await store.take_quota(conn, tenant.id, month, wanted, shares)
    if taken < wanted:
        _REFUSED.inc(wanted - taken)
    return taken


async def take(conn: Connection, tenant: Tenant, wanted: int) -> None:
    """All or nothing; raises QuotaExceeded, upon which the transaction must end."""
    if await take_up_to(conn, tenant, wanted) < wanted:
        refuse(tenant)


def refuse(tenant: Tenant) -> NoReturn:
    raise exceeded(tenant)


def exceeded(tenant: Tenant) -> QuotaExceeded:
    moment = now()
    resets = quota.next_month(quota.month_of(moment))
    return QuotaExceeded(
        f"{tenant.links_per_month} links a month; the count starts again on {resets.isoformat()} (UTC).",
        headers={"Retry-After": str(_seconds_until(resets))},
        limit=tenant.links_per_month,
    )


def _seconds_until(day: date) -> int:
    moment = now()
    return (day - moment.date()).days * 86_400 - moment.hour * 3_600 - moment.minute * 60 - moment.second
