"""One of the processes that race for a tenant's budget: `racer.py <dsn> <first> <count> <step>`."""

import asyncio
import sys

from chassis import postgres
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.usecases.series import Registry

from tests.integration.metrics_engine.registries import series, settings, tenant


async def main(dsn: str, first: int, count: int, step: int) -> None:
    """Admit the series in batches; print how many got in."""
    async with postgres.pool_of(settings(dsn)) as pool:
        registry = Registry(Bounds(), pool)
        one = tenant(active_series_max=2000, new_series_per_h=3000)
        await registry.known(one)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        admitted = 0
        for start in range(first, first + count, step):
            wanted = series(step, first=start)
            refused = await registry.admit(one, wanted)
            assert set(refused.values()) <= {"active_series_limit"}
            admitted += len(wanted) - len(refused)
        sys.stdout.write(f"{admitted}\n")


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
