"""Cursors: whatever the place and the list, only the same list reads them."""

from hypothesis import given
from hypothesis import strategies as st
from orders.api import cursors
from orders.problems import CursorInvalid

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PLACES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
BOUND = st.lists(st.none() | TEXT, max_size=4)


@given(PLACES, BOUND)
def test_a_cursor_leads_back_to_its_place(place: str, bound_to: list[str | None]) -> None:
    assert cursors.decode(cursors.encode(place, *bound_to), *bound_to) == place


@given(PLACES, BOUND, BOUND)
def test_another_list_refuses_it(place: str, bound_to: list[str | None], other: list[str | None]) -> None:
    cursor = cursors.encode(place, *bound_to)
    try:
        found = cursors.decode(cursor, *other)
    except CursorInvalid:
        found = None

    assert found == (place if other == bound_to else None)


@given(st.text(max_size=400))
def test_nothing_else_is_a_cursor_and_nothing_breaks(text: str) -> None:
    try:
        place = cursors.decode(text, "orders")
    except CursorInvalid:
        return
    assert cursors.encode(place, "orders") == text
