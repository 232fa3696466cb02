"""Cursors are ours or refused."""

from uuid import uuid4

import pytest
from shortener.api.cursors import Cursors
from shortener.problems import CursorInvalid

CURSORS = Cursors(b"a key of the tests")


def test_a_cursor_leads_back_to_its_place() -> None:
    place = uuid4()

    assert CURSORS.decode(CURSORS.encode(place, "one", None), "one", None) == place
    assert CURSORS.encode(None, "one") is None
    assert CURSORS.decode(None, "one") is None


def test_a_cursor_is_bound_to_its_list() -> None:
    cursor = CURSORS.encode(uuid4(), "one", "a", "b")

    for bound in (("two", "a", "b"), ("one", "ab", ""), ("one", "a", None), ("one", "a")):
        with pytest.raises(CursorInvalid):
            CURSORS.decode(cursor, *bound)


def test_a_cursor_of_another_key_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        CURSORS.decode(Cursors(b"another key").encode(uuid4()))
