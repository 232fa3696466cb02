"""JSON points: what is read, and what is refused by which reason."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_ingest.domain.bodies import BodyMalformed, BodyTooLarge
from metrics_ingest.domain.points import NAME, Point, Refused
from metrics_ingest.receivers.parsing.json_points import read

AT = 1_800_000_000_000


def one(**fields: Any) -> Point | Refused:
    (found,) = read(json.dumps({"points": [{"name": "up", "value": 1, **fields}]}).encode())
    return found


def values(point: Point | Refused) -> list[tuple[dict[str, str], float]]:
    assert isinstance(point, Point), point
    return [(dict(sample.labels), sample.value) for sample in point.series]


def test_a_gauge_is_one_sample_of_one_series() -> None:
    found = one(labels={"host": "a"}, timestamp_ms=AT)

    assert values(found) == [({NAME: "up", "host": "a"}, 1.0)]
    assert isinstance(found, Point)
    assert found.series[0].timestamp_ms == AT


def test_without_a_timestamp_it_is_now() -> None:
    found = one()

    assert isinstance(found, Point)
    assert found.series[0].timestamp_ms is None


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf)])
def test_infinities_have_prometheus_names(text: str, value: float) -> None:
    assert values(one(value=text)) == [({NAME: "up"}, value)]


def test_a_histogram_is_its_buckets_sum_and_count_and_still_one_point() -> None:
    buckets = [{"le": 0.5, "count": 2}, {"le": "1", "count": 3}]
    found = one(type="histogram", value={"count": 4, "sum": 2.5, "buckets": buckets}, labels={"a": "b"})

    assert values(found) == [
        ({NAME: "up_bucket", "a": "b", "le": "0.5"}, 2.0),
        ({NAME: "up_bucket", "a": "b", "le": "1"}, 3.0),
        ({NAME: "up_bucket", "a": "b", "le": "+Inf"}, 4.0),
        ({NAME: "up_sum", "a": "b"}, 2.5),
        ({NAME: "up_count", "a": "b"}, 4.0),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"count": 4, "sum": 1, "buckets": [{"le": 1, "count": 3}, {"le": 0.5, "count": 4}]},
        {"count": 4, "sum": 1, "buckets": [{"le": 1, "count": 3}, {"le": 2, "count": 2}]},
        {"count": 4, "sum": 1, "buckets": [{"le": 1, "count": 5}]},
        {"count": 4, "sum": 1, "buckets": [{"le": "+Inf", "count": 3}]},
        {"count": -1, "sum": 1, "buckets": []},
        {"count": 4, "sum": "much", "buckets": []},
        {"count": 4, "sum": 1, "buckets": [{"le": "NaN", "count": 1}]},
        {"count": 4, "sum": 1},
    ],
)
def test_a_histogram_that_contradicts_itself_is_refused(value: dict[str, Any]) -> None:
    assert one(type="histogram", value=value) == Refused(0, "invalid_histogram")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "missing_name"),
        ({"name": 7}, "malformed"),
        ({"labels": {"a": 1}}, "malformed"),
        ({"labels": {NAME: "other"}}, "duplicate_label"),
        ({"type": "summary"}, "malformed"),
        ({"value": True}, "invalid_value"),
        ({"value": None}, "invalid_value"),
        ({"value": "twelve"}, "invalid_value"),
        ({"value": -1, "type": "counter"}, "invalid_value"),
        ({"value": 1, "type": "histogram"}, "invalid_value"),
        ({"timestamp_ms": "now"}, "invalid_timestamp"),
        ({"timestamp_ms": 1.5}, "invalid_timestamp"),
        ({"timestamp_ms": True}, "invalid_timestamp"),
        ({"timestamp_ms": 2**63}, "invalid_timestamp"),
    ],
)
def test_what_cannot_be_a_point_has_its_reason(fields: dict[str, Any], reason: str) -> None:
    assert one(**fields) == Refused(0, reason)


def test_a_label_that_is_named_twice_is_refused_and_colons_in_values_are_not_names() -> None:
    points = (
        b'{"points": [{"name": "up", "labels": {"a": "1", "a": "1"}, "value": 1},'
        b' {"name": "up", "labels": {"a": "http://h:1", "b": "\\":"}, "value": 1}]}'
    )
    twice, colons = read(points)
    assert twice == Refused(0, "duplicate_label")
    assert values(colons) == [({NAME: "up", "a": "http://h:1", "b": '":'}, 1.0)]


def test_a_number_that_no_double_holds_is_refused() -> None:
    assert isinstance(one(value=10**400), Refused)


def test_one_bad_point_leaves_the_others_alone() -> None:
    found = list(read(b'{"points": [{"name": "a", "value": 1}, 7, {"name": "b", "value": 2}]}'))

    assert [type(point) for point in found] == [Point, Refused, Point]
    assert [point.index for point in found] == [0, 1, 2]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"points": 1}', b'{"points": [', b"\xff", b"[" * 10_000]
)
def test_a_body_of_another_shape_is_malformed_as_a_whole(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        next(read(body))


def test_a_body_of_too_many_values_is_refused_before_it_is_read() -> None:
    with pytest.raises(BodyTooLarge):
        next(read(b'{"points": [' + b"{}," * 500_000 + b"{}]}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["name", "labels", "type", "value", "timestamp_ms", "count", "sum", "buckets"])


@given(st.lists(st.dictionaries(fields, json_values, max_size=5), max_size=5))
def test_whatever_json_holds_every_point_is_read_or_refused(points: list[dict[str, Any]]) -> None:
    body = json.dumps({"points": points})
    try:
        found = list(read(body.encode("utf-8", "surrogatepass")))
    except BodyMalformed:
        return  # NaN and Infinity are no JSON

    assert [point.index for point in found] == list(range(len(points)))
