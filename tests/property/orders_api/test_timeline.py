"""Timelines: whatever moves an order makes, its versions have no gap and its end is the last row."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from orders.domain.orders import Draft, Line, Notify, Status, new_order
from orders.domain.timeline import ENDS, Step, begun, moved

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
LINES = st.lists(
    st.builds(
        Line,
        sku=st.just("s"),
        name=st.just("n"),
        quantity=st.integers(1, 1_000),
        unit_price=st.integers(1, 99_999_999),
    ),
    min_size=1,
    max_size=100,
)
MOVES = st.lists(st.tuples(st.sampled_from(Step), st.integers(-5, 5)), max_size=12)


@given(LINES, MOVES)
def test_a_timeline_has_no_gap_runs_one_way_and_ends_once(
    lines: list[Line], moves: list[tuple[Step, int]]
) -> None:
    draft = Draft(customer_id="c", currency="usd", payment_method="p", items=(), notify=Notify())
    order = new_order(draft, tuple(lines), order_id="o", tenant_id="t", traceparent=None, at=AT)
    entries = [begun(order)]
    for step, seconds in moves:
        if order.finished:
            break
        order, entry = moved(order, step, AT + timedelta(seconds=seconds))
        entries.append(entry)

    assert order.amount == sum(line.quantity * line.unit_price for line in lines)
    assert [entry.version for entry in entries] == list(range(1, order.version + 1))
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert len({entry.event_id for entry in entries}) == len(entries)
    assert entries[-1].status == order.step
    assert [entry.status in ENDS for entry in entries[:-1]] == [False] * (len(entries) - 1)
    assert order.finished == (entries[-1].status in ENDS) == (order.finished_at is not None)
    assert (order.status is Status.PENDING) == (entries[-1].status not in ENDS)
