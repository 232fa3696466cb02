"""`python -m metrics_ingest.seed`: the tenants of a fresh installation, with the keys of its secrets."""

import asyncio
from typing import Final

from chassis import auth, logs, postgres
from pydantic import SecretStr

from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.tenants import put_tenants

# The stack itself, whose Prometheus brings every series of every process at once when it starts.
STACK_NEW_SERIES_PER_H: Final = 100_000

log = logs.get_logger(__name__)


def tenants_of(settings: MetricsSettings) -> list[tuple[str, str, bytes]]:
    """Id, name and hash of the key of each customer whose key is configured."""
    wanted = (
        ("demo", "Demo", settings.metrics_api_key),
        ("demo-2", "Second demo", settings.metrics_api_key_2),
    )
    return [(tenant_id, name, _hash(key)) for tenant_id, name, key in wanted if key is not None]


async def seed(settings: MetricsSettings) -> int:
    """Give how many tenants were put in place; repeating it changes nothing."""
    tenants = tenants_of(settings)
    key = settings.metrics_api_key_stack
    stack = [] if key is None else [("stack", "This installation", _hash(key))]
    async with postgres.pool_of(settings) as pool:
        await put_tenants(pool, tenants)
        await put_tenants(pool, stack, new_series_per_h=STACK_NEW_SERIES_PER_H)
    return len(tenants) + len(stack)


def _hash(key: SecretStr) -> bytes:
    return auth.hash_key(key.get_secret_value())


def main() -> None:
    settings = MetricsSettings()
    logs.setup(settings)
    log.info("tenants.seeded", count=asyncio.run(seed(settings)))
    logs.flush()


if __name__ == "__main__":
    main()
