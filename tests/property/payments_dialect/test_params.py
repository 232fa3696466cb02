"""Fields: any input is read or refused with a parameter, and reading is stable."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from payments.dialect.errors import InvalidRequest
from payments.dialect.metadata import METADATA_KEYS_MAX, merged_metadata
from payments.dialect.params import (
    AnyHash,
    Boolean,
    Choice,
    Currency,
    Field,
    Hash,
    Integer,
    ListOf,
    Metadata,
    Text,
    TimeRange,
    Timestamp,
)

TEXT = st.text(max_size=30) | st.integers().map(str) | st.sampled_from(["", "true", "usd", "gte"])
RAW = st.recursive(
    TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
LEAVES = st.sampled_from(
    [
        Text(),
        Text(max=3, nullable=True),
        Integer(),
        Integer(0, 10),
        Boolean(),
        Choice("a", "true"),
        Currency(),
        Timestamp(),
        TimeRange(),
        Metadata(),
        AnyHash(),
    ]
)
FIELDS = st.recursive(
    LEAVES,
    lambda inner: inner.map(ListOf) | st.dictionaries(st.sampled_from(["a", "0", "gte"]), inner).map(Hash),
    max_leaves=4,
)
METADATA = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=60)


@given(FIELDS, RAW)
def test_any_value_is_read_or_refused_by_name(field: Field, raw: Any) -> None:
    caught: list[InvalidRequest] = []
    try:
        field.read(raw, "it")
    except InvalidRequest as error:
        caught.append(error)
    assert all(error.message and (error.param or "").startswith("it") for error in caught)


@given(METADATA, METADATA)
def test_merged_metadata_holds_the_new_over_the_old(old: dict[str, str], new: dict[str, str]) -> None:
    current = {key: value for key, value in list(old.items())[:METADATA_KEYS_MAX] if value}
    try:
        merged = merged_metadata(current, new)
    except InvalidRequest:
        assert len({key for key in {**current, **new} if {**current, **new}[key]}) > METADATA_KEYS_MAX
        return
    assert len(merged) <= METADATA_KEYS_MAX
    assert "" not in merged.values()
    for key, value in new.items():
        assert merged.get(key, "") == value
    for key, value in current.items():
        assert key in new or merged[key] == value
