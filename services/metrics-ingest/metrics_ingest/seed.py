"""`python -m metrics_ingest.seed`: the tenants of a fresh installation, with the keys of its secrets."""

import asyncio

from chassis import auth, logs, postgres

from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.tenants import put_tenants

log = logs.get_logger(__name__)


def tenants_of(settings: MetricsSettings) -> list[tuple[str, str, bytes]]:
    """Id, name and hash of the key of each tenant whose key is configured."""
    wanted = (
        ("demo", "Demo", settings.metrics_api_key),
        ("demo-2", "Second demo", settings.metrics_api_key_2),
        # What the stack measures of itself.
        ("stack", "This installation", settings.metrics_api_key_stack),
    )
    return [
        (tenant_id, name, auth.hash_key(key.get_secret_value()))
        for tenant_id, name, key in wanted
        if key is not None
    ]


async def seed(settings: MetricsSettings) -> int:
    """Give how many tenants were put in place; repeating it changes nothing."""
    tenants = tenants_of(settings)
    async with postgres.pool_of(settings) as pool:
        await put_tenants(pool, tenants)
    return len(tenants)


def main() -> None:
    settings = MetricsSettings()
    logs.setup(settings)
    log.info("tenants.seeded", count=asyncio.run(seed(settings)))
    logs.flush()


if __name__ == "__main__":
    main()
