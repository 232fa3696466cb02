"""A reservation: what an order was promised, and the last thing that it was told.

nothing  --reserve--> reserved | refused      nothing  --confirm--> refused
reserved --confirm--> confirmed               reserved --time--> expired
expired  --reserve--> reserved | refused      expired  --confirm--> confirmed | refused
any      --release--> released                released --reserve, confirm--> refused

Every command that is not drawn changes nothing, and is answered with the event of the state.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """The last event that was told of a reservation."""

    RESERVED = "reserved"
    REFUSED = "refused"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


class Reason(StrEnum):
    """Why an order was refused."""

    OUT_OF_STOCK = "out_of_stock"
    EXPIRED = "expired"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Line:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Short:
    """A line that the shelf cannot serve."""

    sku: str
    requested: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfOrder:
    """A command of an order's saga; `traceparent` is the order's trace, in which the answer stands too."""

    order_id: str
    tenant_id: str
    request_id: str | None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(_OfOrder):
    """Promise all of the lines until then, or nothing; `lines` has each SKU once."""

    lines: tuple[Line, ...]
    expires_at: datetime


class Confirm(_OfOrder):
    """The order is paid for: what was promised is sold."""

    __slots__ = ()


class Release(_OfOrder):
    """The order is not to be: what it holds, or bought, returns to the shelf."""

    __slots__ = ()


class Expire(_OfOrder):
    """Nobody asks this but time: `request_id` is none."""

    __slots__ = ()


Command = Reserve | Confirm | Release | Expire


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """`lines` are what it holds, held or sold; one that was refused from the start has none."""

    order_id: str
    tenant_id: str
    state: State
    version: int
    request_id: str | None
    reason: Reason | None
    short: tuple[Short, ...]
    expires_at: datetime | None
    traceparent: str | None
    lines: tuple[Line, ...]
    created_at: datetime
    changed_at: datetime

    @classmethod
    def untold(cls, command: Command, at: datetime) -> "Reservation":
        """Of an order that was not known: version 0, until something is told of it."""
        return cls(
            order_id=command.order_id,
            tenant_id=command.tenant_id,
            state=State.RELEASED,
            version=0,
            request_id=command.request_id,
            reason=None,
            short=(),
            expires_at=None,
            traceparent=command.traceparent,
            lines=(),
            created_at=at,
            changed_at=at,
        )

    @property
    def may_move(self) -> bool:
        """Whether a command can change the shelf for its lines."""
        return self.state in {State.RESERVED, State.CONFIRMED, State.EXPIRED}

    def told(self, state: State, command: Command, at: datetime) -> "Reservation":
        """The next version."""
        return replace(
            self,
            state=state,
            version=self.version + 1,
            request_id=command.request_id,
            reason=None,
            short=(),
            changed_at=at,
        )

    def promised(self, command: Reserve, at: datetime, lines: tuple[Line, ...]) -> "Reservation":
        """The next version, which holds the lines until the command's time."""
        return replace(
            self,
            state=State.RESERVED,
            version=self.version + 1,
            request_id=command.request_id,
            reason=None,
            short=(),
            expires_at=command.expires_at,
            lines=lines,
            changed_at=at,
        )

    def refused(
        self, command: Command, at: datetime, reason: Reason, short: tuple[Short, ...] = ()
    ) -> "Reservation":
        """The next version, in which nothing is held."""
        return replace(self.told(State.REFUSED, command, at), reason=reason, short=short)
