"""`python -m shortener.seed`: the tenants of a fresh installation, with the keys of its secrets."""

import asyncio

from chassis import auth, logs, postgres

from shortener.settings import ShortenerSettings
from shortener.usecases.resources import Tenant
from shortener.usecases.tenants import put_tenants

log = logs.get_logger(__name__)


def tenants_of(settings: ShortenerSettings) -> list[tuple[Tenant, bytes]]:
    """Each tenant whose key is configured, with the hash of the key."""
    wanted = (
        (_generous("demo", "Demo"), settings.shortener_api_key),
        (_generous("demo-2", "Second demo"), settings.shortener_api_key_2),
        (
            Tenant(id="limited", name="Limited", rate_per_s=5.0, burst=10, links_per_month=100),
            settings.shortener_api_key_limited,
        ),
        (_generous("notifications", "Notifications"), settings.shortener_api_key_notifications),
    )
    return [(tenant, auth.hash_key(key.get_secret_value())) for tenant, key in wanted if key is not None]


def _generous(tenant_id: str, name: str) -> Tenant:
    return Tenant(id=tenant_id, name=name, rate_per_s=5_000.0, burst=20_000, links_per_month=100_000_000)


async def seed(settings: ShortenerSettings) -> int:
    """Give how many tenants were put in place; repeating it changes nothing."""
    tenants = tenants_of(settings)
    async with postgres.pool_of(settings) as pool:
        await put_tenants(pool, tenants)
    return len(tenants)


def main() -> None:
    settings = ShortenerSettings()  # type: ignore[call-arg]  # from the environment
    logs.setup(settings)
    log.info("tenants.seeded", count=asyncio.run(seed(settings)))
    logs.flush()


if __name__ == "__main__":
    main()
