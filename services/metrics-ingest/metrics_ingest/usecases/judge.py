"""The verdict engine: one way in for every protocol, every point accounted for."""

from collections.abc import Callable, Sequence

from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.domain.verdict import Verdict
from metrics_ingest.usecases.series import Registry


class Judge:
    """The bodies' errors (413, 400) are of the request as a whole.

    `chassis.postgres.DatabaseUnavailable` (503) is raised for a series that is new while Postgres is away.
    """

    def __init__(self, bounds: Bounds, registry: Registry, *, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._registry = registry
        self._clock = clock

    async def remote_write_1(self, tenant: Tenant, raw_compressed: bytes) -> Verdict:
        """A snappy block of a `prometheus.WriteRequest`, as it came."""
        raise NotImplementedError

    async def remote_write_2(self, tenant: Tenant, raw_compressed: bytes) -> Verdict:
        """A snappy block of an `io.prometheus.write.v2.Request`, translated to 1.0."""
        raise NotImplementedError

    async def points(self, tenant: Tenant, points: Sequence[Point | Refused]) -> Verdict:
        """Of the slow protocols: in the order of the request, each point whole or not at all."""
        raise NotImplementedError
