"""What the ledger's entries come to, tenant by tenant.

    received = accepted + rejected by reason
    accepted = stored + in flight + dead by reason + residue

Two groups count, each as far as it has read. Where they stand at the same offset of a partition the account
must close, and what is left is residue; where the writer is behind, what is left is in flight. Where it is
ahead, it has stored points that nobody has counted as accepted yet: they are not told of until they are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from metrics_ingest.domain.accounting import ACCEPTED, DEAD, RECEIVED, REJECTED, STORED


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
    rejected: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for lines in partitions:
        accounts: Counter[str] = Counter()
        for line in lines:
            accounts[line.account] += line.points
            if line.account in (REJECTED, DEAD):
                (rejected if line.account == REJECTED else dead)[line.reason] += line.points
        stored, in_flight, residue = _settle(accounts, counted=lines[0].counted, written=lines[0].written)
        total.received += accounts[RECEIVED]
        total.accepted += accounts[ACCEPTED]
        total.stored += stored
        total.in_flight += in_flight
        total.residue += residue
    total.rejected, total.dead = dict(rejected), dict(dead)
    return total


def _settle(accounts: Mapping[str, int], *, counted: int, written: int) -> tuple[int, int, int]:
    """Stored, in flight and residue of a partition."""
    stored = accounts[STORED]
    left = accounts[ACCEPTED] - stored - accounts[DEAD]
    if written < counted and left >= 0:
        return stored, left, 0
    if written > counted and left < 0:
        untold = min(stored, -left)
        return stored - untold, 0, left + untold
    return stored, 0, left
