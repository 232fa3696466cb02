"""What a command makes of a reservation and of the shelf, one after the other and in a batch."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from inventory.domain.allocation import Allocation, OtherTenant, allocate
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

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LAMP = Place("acme", "lamp")


def reserve(order: str = "ord_1", *, tenant: str = "acme", minutes: int = 15, **wanted: int) -> Reserve:
    return Reserve(
        order_id=order,
        tenant_id=tenant,
        request_id=f"{order}:reserve",
        lines=tuple(Line(sku, quantity) for sku, quantity in wanted.items()),
        expires_at=AT + timedelta(minutes=minutes),
    )


def confirm(order: str = "ord_1") -> Confirm:
    return Confirm(order_id=order, tenant_id="acme", request_id=f"{order}:confirm")


def release(order: str = "ord_1") -> Release:
    return Release(order_id=order, tenant_id="acme", request_id=f"{order}:release")


def expire(order: str = "ord_1") -> Expire:
    return Expire(order_id=order, tenant_id="acme", request_id=None)


def shelf(**on_hand: int) -> dict[Place, Level]:
    return {Place("acme", sku): Level(on_hand=n, adjusted=n) for sku, n in on_hand.items()}


def told(made: Allocation) -> list[tuple[State, int]]:
    return [(one.state, one.version) for one in made.answers]


def run(*commands: Command, stock: dict[Place, Level] | None = None) -> Allocation:
    return allocate(commands, shelf(lamp=10) if stock is None else stock, {}, AT)


def test_an_order_gets_what_there_is() -> None:
    made = run(reserve(lamp=4))
    assert told(made) == [(State.RESERVED, 1)]
    assert made.levels == {LAMP: Level(on_hand=10, reserved=4, adjusted=10, version=1)}
    assert made.movements == []


def test_all_of_an_order_is_promised_or_nothing() -> None:
    made = run(reserve(lamp=4, shade=3, bulb=1), stock=shelf(lamp=10, shade=2))
    (answer,) = made.answers
    assert (answer.state, answer.reason, answer.lines) == (State.REFUSED, Reason.OUT_OF_STOCK, ())
    assert answer.short == (Short("shade", 3, 2), Short("bulb", 1, 0))
    assert made.levels == {}


def test_the_first_of_a_batch_leaves_less_to_the_second() -> None:
    made = run(reserve("ord_1", lamp=7), reserve("ord_2", lamp=4), reserve("ord_3", lamp=3))
    assert told(made) == [(State.RESERVED, 1), (State.REFUSED, 1), (State.RESERVED, 1)]
    assert made.answers[1].short == (Short("lamp", 4, 3),)
    assert made.levels[LAMP].available == 0


def test_what_is_confirmed_is_sold() -> None:
    made = run(reserve(lamp=4), confirm())
    assert told(made) == [(State.RESERVED, 1), (State.CONFIRMED, 2)]
    assert made.levels[LAMP] == Level(on_hand=6, sold=4, adjusted=10, version=2)
    assert made.movements == [Movement(LAMP, Kind.SALE, 4, "ord_1")]


def test_what_is_released_is_for_others() -> None:
    made = run(reserve("ord_1", lamp=10), release("ord_1"), reserve("ord_2", lamp=10))
    assert told(made) == [(State.RESERVED, 1), (State.RELEASED, 2), (State.RESERVED, 1)]


def test_what_was_sold_and_is_released_returns_to_the_shelf() -> None:
    made = run(reserve(lamp=4), confirm(), release())
    assert told(made)[-1] == (State.RELEASED, 3)
    assert made.levels[LAMP] == Level(on_hand=10, adjusted=10, version=3)
    assert [one.kind for one in made.movements] == [Kind.SALE, Kind.RETURN]


def test_a_tombstone_refuses_the_reservation_that_comes_too_late() -> None:
    made = run(release(), reserve(lamp=4), reserve(lamp=4))
    assert told(made) == [(State.RELEASED, 1), (State.REFUSED, 2), (State.REFUSED, 2)]
    assert made.answers[1].reason is Reason.RELEASED
    assert made.levels == {}


def test_time_gives_back_what_was_held() -> None:
    made = run(reserve("ord_1", lamp=10), expire("ord_1"), reserve("ord_2", lamp=10))
    assert told(made) == [(State.RESERVED, 1), (State.EXPIRED, 2), (State.RESERVED, 1)]
    assert made.answers[1].request_id is None


def test_a_confirmed_reservation_does_not_expire() -> None:
    made = run(reserve(lamp=4), confirm(), expire())
    assert told(made)[-1] == (State.CONFIRMED, 2)
    assert made.levels[LAMP].sold == 4


def test_a_confirmation_after_the_expiry_takes_the_stock_again() -> None:
    made = run(reserve(lamp=4), expire(), confirm())
    assert told(made)[-1] == (State.CONFIRMED, 3)
    assert made.levels[LAMP] == Level(on_hand=6, sold=4, adjusted=10, version=4)


def test_a_confirmation_after_the_expiry_is_refused_when_others_were_quicker() -> None:
    made = run(reserve("ord_1", lamp=6), expire("ord_1"), reserve("ord_2", lamp=6), confirm("ord_1"))
    last = made.answers[-1]
    assert (last.state, last.reason, last.short) == (
        State.REFUSED,
        Reason.EXPIRED,
        (Short("lamp", 6, 4),),
    )
    assert made.movements == []


def test_a_reservation_that_is_asked_for_after_the_expiry_is_a_new_promise() -> None:
    made = run(reserve(lamp=4), expire(), reserve(lamp=4, minutes=30), confirm())
    assert told(made)[2:] == [(State.RESERVED, 3), (State.CONFIRMED, 4)]
    assert made.answers[2].expires_at == AT + timedelta(minutes=30)
    assert made.levels[LAMP] == Level(on_hand=6, sold=4, adjusted=10, version=4)


def test_a_reservation_that_is_late_itself_stays_expired() -> None:
    made = run(reserve(lamp=4), expire(), reserve(lamp=4, minutes=-1))
    assert made.answers[2] == made.answers[1]
    assert made.levels[LAMP].available == 10


def test_a_reservation_after_the_expiry_may_come_too_late() -> None:
    made = run(reserve("ord_1", lamp=6), expire("ord_1"), reserve("ord_2", lamp=6), reserve("ord_1", lamp=6))
    assert (made.answers[-1].state, made.answers[-1].reason) == (State.REFUSED, Reason.OUT_OF_STOCK)


def test_a_confirmation_of_nothing_is_refused() -> None:
    made = run(confirm(), reserve(lamp=1))
    assert told(made) == [(State.REFUSED, 1), (State.REFUSED, 1)]
    assert made.levels == {}


def test_a_confirmation_after_the_release_is_refused() -> None:
    made = run(reserve(lamp=4), release(), confirm())
    assert (made.answers[-1].state, made.answers[-1].reason) == (State.REFUSED, Reason.RELEASED)
    assert made.levels[LAMP].available == 10


@pytest.mark.parametrize(
    "history",
    [
        [reserve(lamp=4)],
        [reserve(lamp=40)],
        [reserve(lamp=4), confirm()],
        [reserve(lamp=4), release()],
        [reserve(lamp=4), confirm(), release()],
        [reserve(lamp=4), expire(), confirm()],
        [release()],
        [confirm()],
    ],
)
def test_the_last_command_again_is_the_same_answer_and_changes_nothing(history: Sequence[Command]) -> None:
    once = run(*history)
    twice = run(*history, history[-1])
    assert twice.answers[-1] == once.answers[-1]
    assert (twice.levels, twice.movements) == (once.levels, once.movements)


@pytest.mark.parametrize("first", [[reserve(lamp=40)], [reserve(lamp=4), expire()]])
def test_a_release_is_always_granted(first: Sequence[Command]) -> None:
    made = run(*first, release())
    assert made.answers[-1].state is State.RELEASED
    assert made.answers[-1].reason is None


def test_an_early_command_that_comes_again_is_told_how_things_stand() -> None:
    made = run(reserve(lamp=4), confirm(), reserve(lamp=4))
    assert made.answers[2] == made.answers[1]


def test_an_order_of_another_tenant_is_nobodys_business() -> None:
    with pytest.raises(OtherTenant):
        run(reserve("ord_1", lamp=1), reserve("ord_1", tenant="globex", lamp=1))


def test_tenants_have_shelves_of_their_own() -> None:
    made = run(reserve("ord_1", tenant="globex", lamp=1))
    assert made.answers[0].short == (Short("lamp", 1, 0),)


def test_only_what_exists_can_expire() -> None:
    with pytest.raises(LookupError):
        run(expire())


def test_a_known_reservation_goes_on_from_its_version() -> None:
    held = run(reserve(lamp=4))
    made = allocate([confirm()], held.levels, {"ord_1": held.answers[0]}, AT + timedelta(seconds=1))
    (answer,) = made.answers
    assert (answer.version, answer.request_id, answer.changed_at) == (
        2,
        "ord_1:confirm",
        AT + timedelta(seconds=1),
    )
    assert isinstance(answer, Reservation)
    assert answer.created_at == AT
