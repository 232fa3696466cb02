"""What the ledger's entries come to, tenant by tenant.

    received = accepted + rejected by reason
    accepted = stored + in flight + dead by reason + residue

Two groups count, each as far as it has read. Where they stand at the same offset of a partition the account
must close, and what is left is residue; where the writer is behind, what is left is in flight. Where it is
ahead, it has dealt with points that nobody has counted as accepted yet: they are not told of until they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from metrics_ingest.domain.accounting import (
    ACCEPTED,
    DEAD,
    RECEIVED,
    REJECTED,
    STORE_REFUSED,
    STORED,
    UNDECODABLE,
)

# Points of a partition by account and reason.
Points = Counter[tuple[str, str]]

# What the writer counts; the rest is told by the receivers.
_BY_WRITER = ((STORED, ""), (DEAD, STORE_REFUSED), (DEAD, UNDECODABLE))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry; `counted` and `written`: the next offsets of the two groups in its partition."""

    tenant_id: str
    partition: int
    account: str
    reason: str
    points: int
    counted: int
    written: int


@dataclass(slots=True)
class TenantLedger:
    """In points as the sender counts them."""

    tenant: str
    received: int = 0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    stored: int = 0
    in_flight: int = 0
    dead: Mapping[str, int] = field(default_factory=dict)
    residue: int = 0


def draw_up(lines: Iterable[Line]) -> list[TenantLedger]:
    """One a tenant, in the order in which they come."""
    tenants: dict[str, dict[int, list[Line]]] = {}
    for line in lines:
        tenants.setdefault(line.tenant_id, defaultdict(list))[line.partition].append(line)
    return [_of_tenant(tenant, list(partitions.values())) for tenant, partitions in tenants.items()]


def _of_tenant(tenant_id: str, partitions: Iterable[list[Line]]) -> TenantLedger:
    total = TenantLedger(tenant_id)
    points: Points = Counter()
    for lines in partitions:
        mine: Points = Counter()
        for line in lines:
            mine[line.account, line.reason] += line.points
        in_flight, residue = _settle(mine, counted=lines[0].counted, written=lines[0].written)
        total.in_flight += in_flight
        total.residue += residue
        points.update(mine)
    total.received, total.accepted, total.stored = (_sum(points, of) for of in (RECEIVED, ACCEPTED, STORED))
    total.rejected, total.dead = _reasons(points, REJECTED), _reasons(points, DEAD)
    return total


def _settle(points: Points, *, counted: int, written: int) -> tuple[int, int]:
    """In flight and residue of a partition, of whose points those that must wait are taken away."""
    left = _sum(points, ACCEPTED) - _sum(points, STORED) - _sum(points, DEAD)
    if written < counted and left >= 0:
        return left, 0
    if written > counted:
        left += _hide(points, -left)
    return 0, left


def _hide(points: Points, untold: int) -> int:
    """Take away up to `untold` points of what the writer counted; how many."""
    hidden = 0
    for entry in _BY_WRITER:
        taken = min(points[entry], max(0, untold - hidden))
        points[entry] -= taken
        hidden += taken
    return hidden


def _sum(points: Points, account: str) -> int:
    return sum(count for (of, _), count in points.items() if of == account)


def _reasons(points: Points, account: str) -> dict[str, int]:
    return {reason: count for (of, reason), count in points.items() if of == account and count}
