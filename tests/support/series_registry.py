"""A registry of series that asks nobody: as large a budget as a test gives it."""

from collections.abc import Mapping

from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.domain.known import Known
from metrics_ingest.domain.labels import Identity
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.usecases.judge import Judge
from metrics_ingest.usecases.series import Registry

NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1000


class MemoryRegistry(Registry):
    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.asked = 0
        self.tables: dict[str, Known] = {}

    async def known(self, tenant: Tenant) -> Known:
        if tenant.id not in self.tables:
            self.tables[tenant.id] = Known(series_max=tenant.active_series_max, refused_max=1000)
        return self.tables[tenant.id]

    async def admit(self, tenant: Tenant, wanted: Mapping[bytes, Identity]) -> dict[bytes, str]:
        self.asked += 1
        known, refused = await self.known(tenant), {}
        for form, identity in wanted.items():
            if identity.hash not in known.slots and not self.room:
                known.refuse(form, "new_series_limit")
                refused[form] = "new_series_limit"
                continue
            self.room -= identity.hash not in known.slots
            known.learn(form, known.add(identity.hash, NOW_S))
        return refused


def judge(registry: Registry | None = None, bounds: Bounds | None = None) -> Judge:
    """At a moment that never passes."""
    return Judge(bounds or Bounds(), registry or MemoryRegistry(), clock=lambda: float(NOW_S))


def tenant(**limits: int) -> Tenant:
    return Tenant(id="acme", name="Acme", **limits)
