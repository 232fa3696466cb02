"""What the official SDK encodes, the parser reads back; what anybody sends, it refuses or reads."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st
from payments.dialect import form
from payments.dialect.errors import InvalidRequest
from stripe._encode import _api_encode

# What can be a name: no brackets, and neither NUL nor surrogates, which no form can carry to a database.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
NAME = st.text(
    st.characters(exclude_characters="\x00[]", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: not name.isdigit())
VALUES = st.recursive(
    TEXT | st.integers(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(NAME, inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)
# The SDK spells a boolean in an array as Python does: those are left out.
PARAMS = st.dictionaries(NAME, VALUES | st.booleans(), max_size=5)


def parse(text: bytes) -> dict[str, form.Raw]:
    return form.parse(text, parameters_max=1_000, depth_max=50, chars_max=5_000)


def encoded(params: dict[str, Any]) -> bytes:
    """As the SDK does: its own encoder, then percent-encoding."""
    pairs = [(key, str(value)) for key, value in _api_encode(params)]
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs).encode()


def as_text(value: Any) -> Any:
    """What a form leaves of a value: text, and arrays as hashes of their indices."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return {str(index): as_text(item) for index, item in enumerate(value)}
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(PARAMS)
def test_what_the_sdk_sends_is_read_as_it_was_meant(params: dict[str, Any]) -> None:
    assert parse(encoded(params)) == as_text(params)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    with suppress(InvalidRequest):
        assert all(isinstance(name, str) and name for name in parse(text))


@given(st.text("ab[]=&%+0", max_size=40))
def test_any_play_with_brackets_is_read_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        parse(text.encode())


@given(st.lists(st.tuples(NAME, TEXT), max_size=10, unique_by=lambda pair: pair[0]))
def test_the_order_of_parameters_does_not_matter(pairs: list[tuple[str, str]]) -> None:
    there = "&".join(f"{quote_plus(a)}={quote_plus(b)}" for a, b in pairs).encode()
    back = "&".join(f"{quote_plus(a)}={quote_plus(b)}" for a, b in reversed(pairs)).encode()
    assert parse(there) == parse(back)
