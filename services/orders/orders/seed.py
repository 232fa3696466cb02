"""`python -m orders.seed`: the tenants of a fresh installation, with the keys of its secrets."""

import asyncio

from chassis import auth, logs, postgres

from orders.domain.tenants import Tenant
from orders.settings import OrdersSettings
from orders.usecases.tenants import put_tenants

log = logs.get_logger(__name__)


def tenants_of(settings: OrdersSettings) -> list[tuple[Tenant, bytes]]:
    """Each tenant whose key is configured, with the hash of the key."""
    wanted = (
        ("demo", "Demo", settings.orders_api_key),
        ("demo-2", "Second demo", settings.orders_api_key_2),
    )
    rate_per_s, burst = settings.seeded_rate_per_s, settings.seeded_burst
    return [
        (Tenant(tenant_id, name, rate_per_s, burst), auth.hash_key(key.get_secret_value()))
        for tenant_id, name, key in wanted
        if key is not None
    ]


async def seed(settings: OrdersSettings) -> int:
    """Give how many tenants were put in place; repeating it changes nothing."""
    tenants = tenants_of(settings)
    async with postgres.pool_of(settings) as pool:
        await put_tenants(pool, tenants)
    return len(tenants)


def main() -> None:
    settings = OrdersSettings()
    logs.setup(settings)
    log.info("tenants.seeded", count=asyncio.run(seed(settings)))
    logs.flush()


if __name__ == "__main__":
    main()
