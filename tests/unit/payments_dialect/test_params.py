"""Fields: what each takes, what it reads, and what it says of the rest."""

from datetime import UTC, datetime
from typing import Any

import pytest
from payments.dialect.errors import InvalidRequest
from payments.dialect.metadata import merged_metadata
from payments.dialect.params import (
    BEGINNING,
    END,
    AnyHash,
    Boolean,
    Choice,
    Currency,
    Field,
    Hash,
    Id,
    Integer,
    ListOf,
    Metadata,
    Text,
    TimeRange,
    Timestamp,
    object_schema,
    read_fields,
)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize(
    ("field", "raw", "value"),
    [
        (Text(), "x", "x"),
        (Text(nullable=True), "", None),
        (Id("cus"), "cus_1", "cus_1"),
        (Integer(), "-5", -5),
        (Integer(), "+5", 5),
        (Integer(), "007", 7),
        (Integer(1, 3), "3", 3),
        (Integer(nullable=True), "", None),
        (Integer(), "9223372036854775807", 2**63 - 1),
        (Boolean(), "true", True),
        (Boolean(), "false", False),
        (Choice("a", "b"), "b", "b"),
        (Choice("a", "b", nullable=True), "", None),
        (Currency(), "USD", "usd"),
        (Timestamp(), "1700000000", 1_700_000_000),
        (TimeRange(), "1000", (at(1000), at(1001))),
        (TimeRange(), {"gt": "1000"}, (at(1001), END)),
        (TimeRange(), {"gte": "1000", "lt": "2000"}, (at(1000), at(2000))),
        (TimeRange(), {"lte": "2000"}, (BEGINNING, at(2001))),
        (TimeRange(), {"gt": "5", "gte": "1", "lt": "9", "lte": "20"}, (at(6), at(9))),
        (Metadata(), {"a": "1", "b": ""}, {"a": "1", "b": ""}),
        (Metadata(), "", None),
        (Metadata(), {"k" * 40: "v" * 500}, {"k" * 40: "v" * 500}),
        (ListOf(Text()), ["a", "b"], ["a", "b"]),
        (ListOf(Text()), {"0": "a", "1": "b"}, ["a", "b"]),
        (ListOf(Text()), {"10": "b", "9": "a"}, ["a", "b"]),
        (ListOf(Text(), nullable=True), "", None),
        (ListOf(Hash({"n": Integer()})), {"0": {"n": "1"}}, [{"n": 1}]),
        (Hash({"n": Integer(required=True)}), {"n": "1"}, {"n": 1}),
        (AnyHash(), {"a": {"b": ["c"]}}, {"a": {"b": ["c"]}}),
    ],
)
def test_what_is_right_is_read(field: Field, raw: Any, value: Any) -> None:
    assert field.read(raw, "it") == value


@pytest.mark.parametrize(
    ("field", "raw", "message", "param", "code"),
    [
        (Text(), "", "You passed an empty string for 'it'.", "it", "parameter_invalid_empty"),
        (Text(max=2), "abc", "Invalid string: abc; must be at most 2 characters", "it", None),
        (Text(), {"a": "b"}, "Invalid string: {'a': 'b'}", "it", None),
        (Text(), ["a"], "Invalid string: ['a']", "it", None),
        (Integer(), "1.5", "Invalid integer: 1.5", "it", "parameter_invalid_integer"),
        (Integer(), "1e3", "Invalid integer: 1e3", "it", "parameter_invalid_integer"),
        (Integer(), "\u0661", "Invalid integer: \u0661", "it", "parameter_invalid_integer"),
        (Integer(), "9223372036854775808", "Invalid integer: 922", "it", "parameter_invalid_integer"),
        (Integer(), "9" * 400, "Invalid integer: 999", "it", "parameter_invalid_integer"),
        (
            Integer(1),
            "0",
            "This value must be greater than or equal to 1.",
            "it",
            "parameter_invalid_integer",
        ),
        (
            Integer(1, 100),
            "101",
            "This value must be less than or equal to 100 (it currently is '101').",
            "it",
            "parameter_invalid_integer",
        ),
        (Boolean(), "yes", "Invalid boolean: yes", "it", None),
        (Boolean(), "True ", "Invalid boolean: True ", "it", None),
        (Choice("a", "b", "c"), "d", "Invalid it: must be one of a, b or c", "it", None),
        (Choice("a"), "d", "Invalid it: must be a", "it", None),
        (Currency(), "us", "Invalid currency: us", "it", None),
        (Currency(), "u\u00f6d", "Invalid currency: u\u00f6d", "it", None),
        (Timestamp(), "-1", "Invalid timestamp", "it", None),
        (Timestamp(), "99999999999999", "Invalid timestamp", "it", None),
        (TimeRange(), {"gte": {"a": "b"}}, "Invalid string", "it[gte]", None),
        (TimeRange(), {"ge": "1"}, "Received unknown parameter: it[ge]", "it[ge]", "parameter_unknown"),
        (TimeRange(), ["1"], "Invalid object", "it", None),
        (Metadata(), "x", "Invalid object", "it", None),
        (Metadata(), {"a": ["b"]}, "Metadata values must be strings", "it[a]", None),
        (Metadata(), {"k" * 41: "v"}, "Metadata keys can have up to 40", "it[" + "k" * 41 + "]", None),
        (Metadata(), {"a": "v" * 501}, "Metadata values can have up to 500", "it[a]", None),
        (Metadata(), {str(n): "v" for n in range(51)}, "Metadata can have up to 50 keys", "it", None),
        (ListOf(Text()), "x", "Invalid array", "it", None),
        (ListOf(Text()), {"a": "x"}, "Invalid array", "it", None),
        (ListOf(Text(), 1), ["x", "y"], "Array too long", "it", None),
        (ListOf(Integer()), {"0": "1", "1": "x"}, "Invalid integer: x", "it[1]", "parameter_invalid_integer"),
        (Hash({}), "x", "Invalid object", "it", None),
        (Hash({}), {"a": "1"}, "Received unknown parameter: it[a]", "it[a]", "parameter_unknown"),
        (
            ListOf(Hash({"card": Hash({"cvc": Text(required=True)})})),
            {"0": {"card": {}}},
            "Missing required param: it[0][card][cvc].",
            "it[0][card][cvc]",
            "parameter_missing",
        ),
    ],
)
def test_what_is_wrong_is_told(field: Field, raw: Any, message: str, param: str, code: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        field.read(raw, "it")

    error = caught.value
    assert error.message.startswith(message)
    assert (error.http_status, error.param, error.code) == (400, param, code)


def test_only_what_was_sent_is_read() -> None:
    fields = {"a": Text(), "b": Integer()}
    assert read_fields(fields, {}) == {}
    assert read_fields(fields, {"b": "1"}) == {"b": 1}


def test_unknown_parameters_are_told_in_the_order_they_came() -> None:
    with pytest.raises(InvalidRequest, match="Received unknown parameters: y, x") as caught:
        read_fields({"a": Text(required=True)}, {"y": "1", "a": "1", "x": "1"})
    assert caught.value.param == "y"


def test_metadata_merges_key_by_key() -> None:
    assert merged_metadata({"a": "1", "b": "2"}, {"b": "", "c": "3"}) == {"a": "1", "c": "3"}
    assert merged_metadata({"a": "1"}, {}) == {"a": "1"}
    assert merged_metadata({"a": "1"}, None) == {}


def test_a_merge_counts_what_is_left() -> None:
    full = {str(n): "v" for n in range(50)}
    assert len(merged_metadata(full, {"0": "", "new": "v"})) == 50
    with pytest.raises(InvalidRequest, match="up to 50 keys"):
        merged_metadata(full, {"new": "v"})


def test_a_schema_names_what_is_required_and_takes_nothing_else() -> None:
    fields = {"a": Integer(1, 9, required=True), "b": ListOf(Choice("x", "y"), 3)}
    assert object_schema(fields) == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 9},
            "b": {"type": "array", "maxItems": 3, "items": {"type": "string", "enum": ["x", "y"]}},
        },
        "additionalProperties": False,
        "required": ["a"],
    }
