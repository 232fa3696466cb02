"""A reservation: what an order was promised, and the last thing that it was told."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from inventory.domain.stock import Place


class State(StrEnum):
    """Every command that is not drawn changes nothing, and is answered with the event of the state.

    nothing  --reserve--> reserved | refused      reserved --time--> expired
    reserved --confirm--> confirmed               expired  --confirm--> confirmed | refused
    any      --release--> released                released --reserve, confirm--> refused
    """

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
class Reserve:
    """`lines` has each SKU once."""

    order_id: str
    tenant_id: str
    request_id: str
    lines: tuple[Line, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    order_id: str
    tenant_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    order_id: str
    tenant_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Time's own command."""

    order_id: str
    tenant_id: str
    request_id: None = None


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
    lines: tuple[Line, ...]
    created_at: datetime
    changed_at: datetime

    @property
    def places(self) -> tuple[Place, ...]:
        return tuple(Place(self.tenant_id, line.sku) for line in self.lines)

    def told(
        self,
        state: State,
        command: Command,
        at: datetime,
        *,
        reason: Reason | None = None,
        short: tuple[Short, ...] = (),
    ) -> "Reservation":
        """The next version."""
        return replace(
            self,
            state=state,
            version=self.version + 1,
            request_id=command.request_id,
            reason=reason,
            short=short,
            changed_at=at,
        )
