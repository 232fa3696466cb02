"""Any sequence of commands, repeats, expiries, counts and receipts, against a model that keeps facts only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from inventory.domain.allocation import Allocation, allocate
from inventory.domain.reservations import (
    Command,
    Confirm,
    Expire,
    Line,
    Release,
    Reservation,
    Reserve,
    State,
)
from inventory.domain.stock import Kind, Level, Movement, Place

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TENANT = "acme"
ORDERS = [f"ord_{n}" for n in range(4)]
SKUS = ["bulb", "lamp", "shade"]

orders = st.sampled_from(ORDERS)
baskets = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 6), min_size=1)


def reserve(order: str, basket: dict[str, int], minutes: int = 15) -> Reserve:
    return Reserve(
        order_id=order,
        tenant_id=TENANT,
        request_id=f"{order}:reserve",
        lines=tuple(Line(sku, quantity) for sku, quantity in basket.items()),
        expires_at=AT + timedelta(minutes=minutes),
    )


def confirm(order: str) -> Confirm:
    return Confirm(order_id=order, tenant_id=TENANT, request_id=f"{order}:confirm")


def release(order: str) -> Release:
    return Release(order_id=order, tenant_id=TENANT, request_id=f"{order}:release")


def expire(order: str) -> Expire:
    return Expire(order_id=order, tenant_id=TENANT, request_id=None)


commands = st.one_of(
    st.builds(reserve, orders, baskets, st.sampled_from([15, -15])),
    st.builds(confirm, orders),
    st.builds(release, orders),
)


@dataclass
class Facts:
    """What came in, who was promised what, who bought what, and what each order was last told."""

    came_in: dict[str, int] = field(default_factory=dict)
    promised: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    bought: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    lapsed: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    told: dict[str, State] = field(default_factory=dict)

    def units(self, of: dict[str, tuple[Line, ...]], sku: str) -> int:
        return sum(line.quantity for lines in of.values() for line in lines if line.sku == sku)

    def on_hand(self, sku: str) -> int:
        return self.came_in.get(sku, 0) - self.units(self.bought, sku)

    def have(self, lines: Sequence[Line]) -> bool:
        return all(
            self.on_hand(line.sku) - self.units(self.promised, line.sku) >= line.quantity for line in lines
        )

    def hear(self, command: Command) -> State:
        order = command.order_id
        now = self.told.get(order)
        if isinstance(command, Reserve):
            self.told[order] = self._reserve(command, now)
        elif isinstance(command, Confirm):
            self.told[order] = self._confirm(order, now)
        elif isinstance(command, Release):
            for kept in (self.promised, self.bought, self.lapsed):
                kept.pop(order, None)
            self.told[order] = State.RELEASED
        elif now is State.RESERVED:
            self.lapsed[order] = self.promised.pop(order)
            self.told[order] = State.EXPIRED
        return self.told[order]

    def _reserve(self, command: Reserve, now: State | None) -> State:
        order = command.order_id
        if now is State.EXPIRED and command.expires_at > AT:
            lines = self.lapsed.pop(order)
        elif now is None:
            lines = command.lines
        else:
            return State.REFUSED if now is State.RELEASED else now
        if not self.have(lines):
            return State.REFUSED
        self.promised[order] = lines
        return State.RESERVED

    def _confirm(self, order: str, now: State | None) -> State:
        if now is State.RESERVED:
            self.bought[order] = self.promised.pop(order)
        elif now is State.EXPIRED and self.have(self.lapsed[order]):
            self.bought[order] = self.lapsed.pop(order)
        elif now in (State.REFUSED, State.CONFIRMED):
            return now
        else:
            self.lapsed.pop(order, None)
            return State.REFUSED
        return State.CONFIRMED


class Shop(RuleBasedStateMachine):
    """Keeps what the database would, and the facts beside it."""

    said: Bundle[Command] = Bundle("said")

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()
        self.levels: dict[Place, Level] = {}
        self.reservations: dict[str, Reservation] = {}
        self.movements: list[Movement] = []

    @initialize(on_hand=st.dictionaries(st.sampled_from(SKUS), st.integers(0, 12)))
    def stock_up(self, on_hand: dict[str, int]) -> None:
        for sku, quantity in on_hand.items():
            self.count_shelf(sku, quantity)

    @rule(target=said, batch=st.lists(commands, min_size=1, max_size=5))
    def say(self, batch: list[Command]) -> MultipleResults[Command]:
        self._take(batch)
        return multiple(*batch)

    @rule(batch=st.lists(said, min_size=1, max_size=3))
    def say_again(self, batch: list[Command]) -> None:
        self._take(batch)

    @rule(order=orders)
    def run_out_of_time(self, order: str) -> None:
        if order in self.reservations:
            self._take([expire(order)])

    @rule(sku=st.sampled_from(SKUS), on_hand=st.integers(0, 12))
    def count_shelf(self, sku: str, on_hand: int) -> None:
        level = self._level(sku)
        if on_hand < level.reserved or on_hand == level.on_hand:
            return
        difference = on_hand - level.on_hand
        self._note(level.counted(on_hand), Movement(Place(TENANT, sku), Kind.ADJUSTMENT, difference))
        self.facts.came_in[sku] = self.facts.came_in.get(sku, 0) + difference

    @rule(sku=st.sampled_from(SKUS), quantity=st.integers(1, 5))
    def receive(self, sku: str, quantity: int) -> None:
        self._note(self._level(sku).receive(quantity), Movement(Place(TENANT, sku), Kind.RECEIPT, quantity))
        self.facts.came_in[sku] = self.facts.came_in.get(sku, 0) + quantity

    @invariant()
    def nothing_is_below_zero_nor_promised_twice(self) -> None:
        for level in self.levels.values():
            assert 0 <= level.reserved <= level.on_hand
            assert level.sold >= 0
            assert level.received >= 0

    @invariant()
    def nothing_is_lost(self) -> None:
        for (_, sku), level in self.levels.items():
            moved = dict.fromkeys(Kind, 0)
            for movement in self.movements:
                if movement.place.sku == sku:
                    moved[movement.kind] += movement.quantity
            assert level.received == moved[Kind.RECEIPT]
            assert level.adjusted == moved[Kind.ADJUSTMENT]
            assert level.sold == moved[Kind.SALE] - moved[Kind.RETURN]
            assert level.received + level.adjusted == level.on_hand + level.sold

    @invariant()
    def the_shelf_is_what_the_facts_say(self) -> None:
        for (_, sku), level in self.levels.items():
            assert level.on_hand == self.facts.on_hand(sku)
            assert level.reserved == self.facts.units(self.facts.promised, sku)
            assert level.sold == self.facts.units(self.facts.bought, sku)

    @invariant()
    def an_order_buys_a_sku_once(self) -> None:
        of_orders = [(m.order_id, m.place, m.kind) for m in self.movements if m.order_id]
        assert len(of_orders) == len(set(of_orders))

    def _take(self, batch: list[Command]) -> None:
        before = {order: one.version for order, one in self.reservations.items()}
        made = allocate(batch, self.levels, self.reservations, AT)
        assert [one.state for one in made.answers] == [self.facts.hear(command) for command in batch]
        for one in made.answers:
            # Versions count the events: a new one is the next, a repeated one the last.
            assert one.version - before.get(one.order_id, 0) in (0, 1)
            before[one.order_id] = one.version
        self.levels |= made.levels
        self.reservations |= made.reservations
        self.movements += made.movements

    def _level(self, sku: str) -> Level:
        return self.levels.get(Place(TENANT, sku), Level())

    def _note(self, level: Level, movement: Movement) -> None:
        self.levels[movement.place] = level
        self.movements.append(movement)


TestShop = Shop.TestCase
TestShop.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def applied(batches: Sequence[Sequence[Command]]) -> Allocation:
    """As if each batch were a transaction."""
    total = Allocation(levels={Place(TENANT, sku): Level(on_hand=8, adjusted=8) for sku in SKUS})
    for batch in batches:
        made = allocate(batch, total.levels, total.reservations, AT)
        total.answers += made.answers
        total.levels |= made.levels
        total.reservations |= made.reservations
        total.movements += made.movements
    return total


@given(st.lists(commands, max_size=12), st.data())
def test_where_a_batch_ends_makes_no_difference(said: list[Command], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))
    ends = [*cuts, len(said)]
    batches = [said[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    assert applied(batches) == applied([said])


@given(st.lists(commands, max_size=8))
def test_a_history_said_twice_sells_nothing_twice(said: list[Command]) -> None:
    """The second time round an order may be told another end, but it buys a SKU once at most."""
    made = applied([said, said])
    sales = [(m.order_id, m.place) for m in made.movements if m.kind is Kind.SALE]
    assert len(sales) == len(set(sales))
    for level in made.levels.values():
        assert 0 <= level.reserved <= level.on_hand
        assert level.on_hand + level.sold == 8
