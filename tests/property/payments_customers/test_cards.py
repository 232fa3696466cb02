"""Check digits, fingerprints, and changes of metadata."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from payments.dialect.metadata import METADATA_KEYS_MAX, merged_metadata
from payments.domain import cards
from payments.domain.card import passes_luhn
from payments.domain.differences import previous_attributes

KEYS = st.text("abcde_", min_size=1, max_size=4)
CARD = st.sampled_from(cards.CARDS)
DOCUMENT = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
HASH = st.dictionaries(st.sampled_from("abc"), DOCUMENT, max_size=3)


@given(CARD, st.data())
def test_one_wrong_digit_is_always_noticed(card: cards.Card, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(card.number) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != card.number[place]]))
    assert not passes_luhn(card.number[:place] + digit + card.number[place + 1 :])


@given(card=CARD, off_session=st.booleans(), set_up=st.booleans())
def test_whoever_must_authenticate_to_pay_later_must_to_set_up(
    *, card: cards.Card, off_session: bool, set_up: bool
) -> None:
    asked = card.needs_authentication(off_session=off_session, set_up=set_up)
    if asked and off_session and not set_up:
        assert card.needs_authentication_to_set_up
    if not off_session:
        assert asked == card.needs_authentication(off_session=False, set_up=not set_up)


@given(
    st.dictionaries(KEYS, st.text("xyz", min_size=1, max_size=2), max_size=METADATA_KEYS_MAX),
    st.dictionaries(KEYS, st.text("xyz", max_size=2), max_size=8),
)
def test_metadata_is_changed_key_by_key(held: dict[str, str], change: dict[str, str]) -> None:
    kept = held if len({*held, *change}) <= METADATA_KEYS_MAX else {}
    merged = merged_metadata(kept, change)
    assert all(merged.get(key, "") == value for key, value in change.items())
    assert all(merged[key] == value for key, value in kept.items() if key not in change)
    assert merged.keys() <= kept.keys() | change.keys()
    assert "" not in merged.values()
    assert merged_metadata(merged, change) == merged
    assert merged_metadata(merged, None) == {}


def _undone(after: Any, previous: Any) -> Any:
    restored = dict(after)
    for key, old in previous.items():
        if isinstance(old, dict) and isinstance(restored.get(key), dict):
            restored[key] = _undone(restored[key], old)
        else:
            restored[key] = old
    return restored


def _without_none(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_none(inner) for key, inner in value.items() if inner is not None}


@given(HASH, HASH)
def test_previous_attributes_take_an_object_back(before: dict[str, Any], after: dict[str, Any]) -> None:
    previous = previous_attributes(before, after)
    assert (previous == {}) == (before == after)
    assert _without_none(_undone(after, previous)) == _without_none(before)
