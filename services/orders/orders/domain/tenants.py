"""Who calls: the owner of an API key, with the limits that hold for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tenant:
    id: str
    name: str
    rate_per_s: float
    burst: int
