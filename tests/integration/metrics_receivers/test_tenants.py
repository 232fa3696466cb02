"""Tenants: seeded once, looked up by key, and known a while longer than Postgres answers."""

import asyncpg
import pytest
from chassis import auth, postgres
from chassis.postgres import DatabaseUnavailable
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.seed import STACK_NEW_SERIES_PER_H, seed
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.tenants import Tenants, TenantUnknown

from tests.support.metrics import Served, key_of, settings_of


def tenants(served: Served, *, kept_s: float = 60.0) -> Tenants:
    return Tenants(served.pool, timeout_s=5.0, kept_s=kept_s, kept_max=10)


async def test_a_new_tenant_has_the_limits_of_the_domain(served: Served) -> None:
    found = await tenants(served).by_key(auth.hash_key(key_of("one")))

    assert found == Tenant(id="one", name="One")


async def test_nobody_has_an_unknown_key(served: Served) -> None:
    assert await tenants(served).by_key(auth.hash_key("of nobody")) is None
    with pytest.raises(TenantUnknown):
        await tenants(served).by_id("nobody")


async def test_who_was_known_is_known_while_postgres_is_away(served: Served) -> None:
    lookup, forgetful = tenants(served), tenants(served, kept_s=0.0)
    digest = auth.hash_key(key_of("one"))
    known = await lookup.by_key(digest)
    await forgetful.by_key(digest)

    await postgres.close(served.pool)

    assert await lookup.by_key(digest) == known
    for other in (lookup.by_key(auth.hash_key(key_of("two"))), forgetful.by_key(digest)):
        with pytest.raises(DatabaseUnavailable):
            await other


async def test_seeding_twice_leaves_each_tenant_its_newest_key(served: Served) -> None:
    settings = served.resources.settings

    def with_key(key: str) -> MetricsSettings:
        dsn, redis_url = settings.database_url, settings.redis_url
        return settings_of(dsn, redis_url, metrics_api_key=key, metrics_api_key_2=None)

    first, second = with_key("first-key-0123456789"), with_key("second-key-0123456789")

    assert await seed(first) == 1
    assert await seed(second) == 1
    assert await seed(second) == 1

    lookup = tenants(served)
    assert await lookup.by_key(auth.hash_key("first-key-0123456789")) is None
    found = await lookup.by_key(auth.hash_key("second-key-0123456789"))
    assert found == Tenant(id="demo", name="Demo")


async def test_the_stack_itself_may_bring_all_its_series_at_once(served: Served) -> None:
    dsn, redis_url = served.resources.settings.database_url, served.resources.settings.redis_url

    assert await seed(settings_of(dsn, redis_url, metrics_api_key_stack="stack-key-0123456789")) == 1

    found = await tenants(served).by_key(auth.hash_key("stack-key-0123456789"))
    assert found == Tenant(id="stack", name="This installation", new_series_per_h=STACK_NEW_SERIES_PER_H)


async def test_limits_below_the_stores_own_are_the_databases_to_keep(served: Served) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await served.limit("one", value_bytes_max=20_000)
