"""Who gets what: commands answered one after the other, each on what the one before it left."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chassis.retry import Permanent

from inventory.domain.reservations import (
    Command,
    Confirm,
    Expire,
    Line,
    Reason,
    Release,
    Reservation,
    Reserve,
    Short,
    State,
)
from inventory.domain.stock import Kind, Level, Movement, Place

_NOTHING = Level()


class OtherTenant(Permanent):
    """A command for an order whose reservation belongs to another tenant."""


@dataclass(slots=True)
class Allocation:
    """`answers` has one reservation a command, in their order; the rest is what is to be written."""

    answers: list[Reservation] = field(default_factory=list)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    levels: dict[Place, Level] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)


def allocate(
    commands: Iterable[Command],
    levels: Mapping[Place, Level],
    reservations: Mapping[str, Reservation],
    at: datetime,
) -> Allocation:
    """`levels` has the places of all lines that exist, `reservations` the orders that are known."""
    desk = _Desk(levels, reservations, at)
    for command in commands:
        desk.made.answers.append(desk.answer(command))
    return desk.made


class _Desk:
    def __init__(
        self, levels: Mapping[Place, Level], reservations: Mapping[str, Reservation], at: datetime
    ) -> None:
        self._levels = levels
        self._reservations = reservations
        self._at = at
        self.made = Allocation()

    def answer(self, command: Command) -> Reservation:
        known = self.made.reservations.get(command.order_id) or self._reservations.get(command.order_id)
        if known is not None and known.tenant_id != command.tenant_id:
            raise OtherTenant(f"order {command.order_id} is not of tenant {command.tenant_id}")
        match command:
            case Reserve():
                after = self._reserve(known, command)
            case Confirm():
                after = self._confirm(known, command)
            case Release():
                after = self._release(known, command)
            case Expire():
                if known is None:
                    raise LookupError(f"order {command.order_id} has nothing that could expire")
                after = self._expire(known, command)
        if after is not known:
            self.made.reservations[command.order_id] = after
        return after

    def _reserve(self, known: Reservation | None, command: Reserve) -> Reservation:
        if known is None:
            return self._promise(Reservation.untold(command, self._at), command, command.lines)
        if known.state is State.RELEASED:
            return known.refused(command, self._at, Reason.RELEASED)
        if known.state is State.EXPIRED and command.expires_at > self._at:
            # Asked again in earnest: the saga has not heard of the first promise.
            return self._promise(known, command, known.lines)
        return known

    def _promise(self, to: Reservation, command: Reserve, lines: tuple[Line, ...]) -> Reservation:
        short = self._short(command.tenant_id, lines)
        if short:
            return to.refused(command, self._at, Reason.OUT_OF_STOCK, short)
        self._move(command, lines, Level.hold)
        return to.promised(command, self._at, lines)

    def _confirm(self, known: Reservation | None, command: Confirm) -> Reservation:
        if known is None:
            return Reservation.untold(command, self._at).refused(command, self._at, Reason.EXPIRED)
        if known.state is State.RELEASED:
            return known.refused(command, self._at, Reason.RELEASED)
        if known.state is State.EXPIRED:
            short = self._short(known.tenant_id, known.lines)
            if short:
                return known.refused(command, self._at, Reason.EXPIRED, short)
            self._move(command, known.lines, Level.hold)
        elif known.state is not State.RESERVED:
            return known
        self._move(command, known.lines, Level.sell, Kind.SALE)
        return known.told(State.CONFIRMED, command, self._at)

    def _release(self, known: Reservation | None, command: Release) -> Reservation:
        if known is None:
            # A tombstone: the reservation that comes after it finds that it is not wanted any more.
            return Reservation.untold(command, self._at).told(State.RELEASED, command, self._at)
        if known.state is State.RELEASED:
            return known
        if known.state is State.RESERVED:
            self._move(command, known.lines, Level.free)
        elif known.state is State.CONFIRMED:
            self._move(command, known.lines, Level.take_back, Kind.RETURN)
        return known.told(State.RELEASED, command, self._at)

    def _expire(self, known: Reservation, command: Expire) -> Reservation:
        if known.state is not State.RESERVED:
            return known
        self._move(command, known.lines, Level.free)
        return known.told(State.EXPIRED, command, self._at)

    def _level(self, place: Place) -> Level:
        return self.made.levels.get(place) or self._levels.get(place, _NOTHING)

    def _short(self, tenant_id: str, lines: Iterable[Line]) -> tuple[Short, ...]:
        found = ((line, self._level(Place(tenant_id, line.sku)).available) for line in lines)
        return tuple(
            Short(line.sku, line.quantity, available)
            for line, available in found
            if available < line.quantity
        )

    def _move(
        self,
        command: Command,
        lines: Iterable[Line],
        change: Callable[[Level, int], Level],
        kind: Kind | None = None,
    ) -> None:
        for line in lines:
            place = Place(command.tenant_id, line.sku)
            self.made.levels[place] = change(self._level(place), line.quantity)
            if kind is not None:
                self.made.movements.append(Movement(place, kind, line.quantity, command.order_id))
