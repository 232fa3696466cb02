"""The series of each tenant: known ones in memory, the truth and the budgets in Postgres."""

from chassis.postgres import Pool

from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.tenants import Tenant


class Registry:
    """Known series flow without a question; new ones are counted under the tenant's row lock.

    Raises `chassis.postgres.DatabaseUnavailable` for series that it would have to ask about.
    """

    def __init__(self, bounds: Bounds, pool: Pool) -> None:
        self._bounds = bounds
        self._pool = pool

    async def run(self) -> None:
        """Until cancelled: tell Postgres what was seen, forget what has been idle. One loop a process."""

    async def flush(self) -> None:
        """What `run` does, once: for shutdown and tests."""


async def cardinality(pool: Pool, tenant: Tenant, *, names_max: int = 20) -> dict[str, object]:
    """What `GET /api/v1/cardinality` answers."""
    raise NotImplementedError
