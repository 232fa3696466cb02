"""What a record's headers tell of the request it came from, in points as the sender counts them."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

RECEIVED, ACCEPTED, REJECTED, STORED, DEAD = "received", "accepted", "rejected", "stored", "dead"

# Why a point that was accepted is not stored, beside `nan`.
STORE_REFUSED = "store_refused"
UNDECODABLE = "undecodable"

# No request has as many points; a hundred thousand such counts fit the ledger's 64 bits.
POINTS_MAX = 10**12

_REASONS = msgspec.json.Decoder(dict[str, int])


class Entry(NamedTuple):
    """One account of the ledger."""

    tenant_id: str
    partition: int
    account: str
    reason: str = ""


Entries = Counter[Entry]


class HeadersUnreadable(ValueError):  # noqa: N818 the field's word
    """The record tells of no tenant, or of no count."""


@dataclass(frozen=True, slots=True)
class Account:
    tenant_id: str
    received: int
    accepted: int
    rejected: Mapping[str, int]
    dead: Mapping[str, int]

    @property
    def storable(self) -> int:
        """Points that the store will hold once the record is written."""
        return self.accepted - sum(self.dead.values())


def read(header: Callable[[str], bytes | None]) -> Account:
    """From a look-up of headers by name; raises `HeadersUnreadable`."""
    try:
        tenant = (header("tenant") or b"").decode()
        account = Account(
            tenant,
            _number(header("received")),
            _number(header("accepted")),
            _reasons(header("rejected")),
            _reasons(header("dead")),
        )
    except (UnicodeError, ValueError, msgspec.MsgspecError) as error:
        raise HeadersUnreadable(str(error)) from error
    if not tenant or "\0" in tenant:
        raise HeadersUnreadable("no tenant")
    if account.received != account.accepted + sum(account.rejected.values()):
        raise HeadersUnreadable("received is not what was accepted and rejected")
    if account.storable < 0:
        raise HeadersUnreadable("more points are dead than were accepted")
    return account


def told(account: Account, partition: int) -> Entries:
    """What the receiver counted."""
    entries: Entries = Counter()
    entries[Entry(account.tenant_id, partition, RECEIVED)] = account.received
    entries[Entry(account.tenant_id, partition, ACCEPTED)] = account.accepted
    for kind, reasons in ((REJECTED, account.rejected), (DEAD, account.dead)):
        for reason, points in reasons.items():
            entries[Entry(account.tenant_id, partition, kind, reason)] = points
    return +entries


def written(account: Account, partition: int, dead: str | None) -> Entries:
    """What became of the record's points behind the barrier: stored, or `dead` for that reason."""
    kind = STORED if dead is None else DEAD
    return +Counter({Entry(account.tenant_id, partition, kind, dead or ""): account.storable})


def _number(value: bytes | None) -> int:
    if value is None or not value.isdigit() or len(value) > len(str(POINTS_MAX)):
        raise HeadersUnreadable(f"no count: {value!r}")
    return int(value)


def _reasons(value: bytes | None) -> dict[str, int]:
    reasons = _REASONS.decode(value) if value else {}
    if any(not 0 <= points <= POINTS_MAX or "\0" in reason for reason, points in reasons.items()):
        raise HeadersUnreadable("a count that is none, or a reason that is none")
    return reasons
