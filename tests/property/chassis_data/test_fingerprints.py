"""Fingerprints tell requests apart by their parameters alone."""

from typing import Any

from chassis.idempotency import fingerprint
from hypothesis import given
from hypothesis import strategies as st

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=10,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(list(value))}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


@given(json_values)
def test_the_order_of_keys_changes_nothing(value: Any) -> None:
    assert fingerprint(value) == fingerprint(reordered(value))


@given(json_values, json_values)
def test_other_parameters_have_another_fingerprint(one: Any, other: Any) -> None:
    same = repr(reordered(one)) == repr(reordered(other)) or one == other
    assert same or fingerprint(one) != fingerprint(other)
