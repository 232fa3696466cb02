"""Orders, their ids and their timelines, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from orders.domain.ids import is_order_id, new_order_id
from orders.domain.orders import Draft, Item, Line, Notify, Order, Status, new_order
from orders.domain.timeline import ENDS, Step, begun, moved

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)


def order_of(*lines: Line) -> Order:
    draft = Draft(
        customer_id="c",
        currency="usd",
        payment_method="pm",
        items=tuple(Item(line.sku, line.quantity) for line in lines),
        notify=Notify(),
    )
    return new_order(draft, lines, order_id="ord_1", tenant_id="t", traceparent=None, at=AT)


MUG = Line("mug", "Mug", quantity=3, unit_price=1_200)


def test_an_order_costs_what_its_lines_cost_together() -> None:
    assert order_of(MUG, Line("cup", "Cup", quantity=1, unit_price=5)).amount == 3_605


def test_ids_made_one_after_another_sort_that_way() -> None:
    ids = [new_order_id() for _ in range(1_000)]

    # The fraction of a millisecond has 4,096 steps of 244 ns: two ids may share one, and nothing more.
    prefixes = [order_id[:14] for order_id in ids]
    assert prefixes == sorted(prefixes)
    assert len(set(ids)) == len(ids)
    assert all(map(is_order_id, ids))


@pytest.mark.parametrize("text", ["", "ord_", "ord_" + "0" * 21, "ord_" + "0" * 23, "ord_" + "0" * 21 + "-"])
def test_what_is_no_id_is_told_apart(text: str) -> None:
    assert not is_order_id(text)
    assert not is_order_id(new_order_id() + "\n")


def test_a_new_order_has_one_row_of_its_version() -> None:
    entry = begun(order_of(MUG))

    assert (entry.order_id, entry.version, entry.status, entry.at) == ("ord_1", 1, Step.PENDING, AT)


def test_every_move_is_a_version_and_a_row_with_an_event_of_its_own() -> None:
    order, first = moved(order_of(MUG), Step.STOCK_RESERVED, AT + timedelta(seconds=1))
    order, second = moved(order, Step.PAYMENT_AUTHORISED, AT + timedelta(seconds=2))

    assert (first.version, second.version, order.version) == (2, 3, 3)
    assert (order.status, order.step, order.finished_at) == (Status.PENDING, Step.PAYMENT_AUTHORISED, None)
    assert first.event_id != second.event_id


@pytest.mark.parametrize("end", list(ENDS))
def test_an_end_sets_status_and_moment_and_nothing_comes_after_it(end: Step) -> None:
    later = AT + timedelta(seconds=9)
    order, entry = moved(order_of(MUG), end, later, reason="out_of_stock")

    assert (order.status.value, order.finished_at, order.reason) == (end.value, later, "out_of_stock")
    assert order.finished
    assert entry.at == later
    with pytest.raises(ValueError, match="ord_1"):
        moved(order, Step.CANCELLING, later)


def test_a_reason_that_was_told_stays() -> None:
    order = replace(order_of(MUG), reason="payment_declined")

    assert moved(order, Step.REJECTED, AT)[0].reason == "payment_declined"


def test_a_clock_that_is_behind_does_not_turn_a_timeline_back() -> None:
    order, _ = moved(order_of(MUG), Step.STOCK_RESERVED, AT + timedelta(seconds=5))
    order, entry = moved(order, Step.PAYMENT_AUTHORISED, AT)

    assert entry.at == order.updated_at == AT + timedelta(seconds=5)
