"""Cursors: a place, bound to its list."""

import pytest
from orders.api import cursors
from orders.problems import CursorInvalid


def test_a_cursor_leads_back_to_its_place() -> None:
    cursor = cursors.encode("ord_1", "orders", "tenant", None)

    assert cursors.decode(cursor, "orders", "tenant", None) == "ord_1"
    assert cursors.encode(None, "orders") is None
    assert cursors.decode(None, "orders") is None


@pytest.mark.parametrize(
    "other", [(), ("orders",), ("orders", "tenant", ""), ("orders", "tenan", "t"), ("orderst", "enant", None)]
)
def test_a_cursor_is_of_no_use_for_another_list(other: tuple[str | None, ...]) -> None:
    cursor = cursors.encode("ord_1", "orders", "tenant", None)

    with pytest.raises(CursorInvalid):
        cursors.decode(cursor, *other)


def test_a_cursor_has_one_spelling() -> None:
    cursor = cursors.encode("ord_1", "orders")
    assert cursor is not None
    for spelling in (cursor + "=", cursor + "A", cursor[:-1], cursor + " ", cursor[:-1] + "é", "\n" + cursor):
        with pytest.raises(CursorInvalid):
            cursors.decode(spelling, "orders")


def test_the_longest_place_fits_into_the_longest_cursor() -> None:
    cursor = cursors.encode("x" * 256, "orders")

    assert cursor is not None
    assert len(cursor) <= cursors.LENGTH_MAX
    assert cursors.decode(cursor, "orders") == "x" * 256
