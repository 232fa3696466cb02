"""Whatever bytes come in: points and refusals with reasons, or one clear error of the request."""

import asyncio
import contextlib
import json
from collections.abc import Iterable

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_ingest.domain import verdict
from metrics_ingest.domain.bodies import BodyError
from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.receivers.parsing import datadog, exposition, influx, otlp, statsd
from metrics_ingest.receivers.parsing.otlp_buckets import BUCKETS_MAX, Range, below
from metrics_ingest.receivers.parsing.otlp_pieces import PIECE_BYTES_MAX, pieces

from tests.support.otlp import buckets, gauge, histogram, number, request, total
from tests.support.series_registry import NOW_MS, judge, tenant

REASONS = {value for name, value in vars(verdict).items() if name.isupper() and isinstance(value, str)}

INFLUX = 'cpu,host=a\\,b,z="x" usage=0.5,n=1i,s="te\\"x,t=1 ",up=t 1800000000000000000\n# c\nm f=1'
EXPOSITION = 'up{a="b\\n\\"",c="d"} 1.5 1800000000000 # {t="x"} 1\n{"a.b"} NaN\n# EOF\n'
DATADOG = json.dumps(
    {"series": [{"metric": "m", "type": 1, "points": [{"timestamp": 1, "value": 1}], "tags": ["a:b"]}] * 2}
)
STATSD = "hits:1:2|c|@0.5|#a:b,c\nload:-1|g\nt:1|ms\nu:x|s"
OTLP = request(
    gauge("g", number(1.5, a__b="c")),
    total("t"),
    histogram("h", buckets([1, 2], [1.0])),
    resource={"service__name": "s"},
)


def checked(points: Iterable[Point | Refused]) -> list[Point | Refused]:
    found = []
    with contextlib.suppress(BodyError):
        for point in points:
            found.append(point)
            if isinstance(point, Refused):
                assert point.reason in REASONS
    return found


def judged(points: Iterable[Point | Refused]) -> None:
    """And the judge has nothing but a verdict to add."""
    found = checked(points)
    result = asyncio.run(judge().points(tenant(), found))
    assert result.received == len(found) == result.accepted + result.rejected.total()


def broken(text: str) -> st.SearchStrategy[bytes]:
    """The text with some of it cut out, doubled, or replaced by what means something to a parser."""
    data = text.encode()
    marks = st.sampled_from(
        [bytes((mark,)) for mark in b"\\\"',=: \n\r\t#{}[]|@+-.0eEi\xff\x00\xc3"]
    ) | st.binary(max_size=4)
    cuts = st.tuples(st.integers(0, len(data)), st.integers(0, 6), marks)

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        out = data
        for place, length, mark in changes:
            out = out[:place] + mark + out[place + length :]
        return out

    return st.lists(cuts, min_size=1, max_size=6).map(apply) | st.binary(max_size=60)


@given(broken(INFLUX), st.sampled_from(sorted(influx.PRECISIONS)))
def test_no_line_protocol_breaks_the_parser(body: bytes, precision: str) -> None:
    judged(influx.read(body, influx.PRECISIONS[precision], "db"))


@given(broken(EXPOSITION), st.booleans())
def test_no_exposition_breaks_the_parser(body: bytes, openmetrics: bool) -> None:  # noqa: FBT001
    judged(exposition.read(body, openmetrics=openmetrics))


@given(broken(DATADOG))
def test_no_series_break_the_parser(body: bytes) -> None:
    judged(datadog.read(body))


@given(broken(STATSD))
def test_no_packet_breaks_the_parser(body: bytes) -> None:
    for reading in statsd.read(body):
        assert reading in REASONS if isinstance(reading, str) else reading.name is not None


@given(broken(json_format.MessageToJson(OTLP, indent=None)))
def test_no_otlp_json_breaks_the_parser(body: bytes) -> None:
    judged(otlp.from_json(body, tenant()))


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), st.binary(max_size=6)), min_size=1, max_size=5)
)
def test_no_otlp_protobuf_breaks_the_parser(changes: list[tuple[int, int, bytes]]) -> None:
    body = OTLP.SerializeToString()
    for place, length, mark in changes:
        body = body[:place] + mark + body[place + length :]
    judged(otlp.from_protobuf(body, tenant()))


KEYS = ["resourceMetrics", "scopeMetrics", "metrics", "name", "gauge", "dataPoints", "asInt", "timeUnixNano"]
KEYS += ["series", "points", "metric", "value", "timestamp", "tags", "type"]


def _json_values() -> st.SearchStrategy[object]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    )


@given(_json_values())
def test_json_of_any_shape_is_read_or_refused(tree: object) -> None:
    body = json.dumps(tree).encode()
    checked(otlp.from_json(body, tenant()))
    checked(datadog.read(body))


_LABEL_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs"], include_characters=" "),
    min_size=1,
    max_size=8,
)


def _escaped(text: str) -> str:
    return "".join(f"\\{mark}" if mark in ",= \\" else mark for mark in text)


@given(
    st.dictionaries(st.sampled_from("abc"), _LABEL_TEXT, max_size=3),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_written_as_line_protocol_is_read_again(tags: dict[str, str], value: float) -> None:
    line = "m" + "".join(f",{key}={_escaped(text)}" for key, text in tags.items()) + f" f={value!r} {NOW_MS}"
    (point,) = influx.read(line.encode(), 10**6)
    assert isinstance(point, Point), line
    assert point.series[0].labels == (("__name__", "m_f"), *tags.items())
    assert (point.series[0].value, point.series[0].timestamp_ms) == (value, NOW_MS)


@given(st.dictionaries(st.sampled_from("abc"), _LABEL_TEXT, max_size=3), st.floats(allow_nan=False))
def test_what_is_written_as_exposition_is_read_again(tags: dict[str, str], value: float) -> None:
    inner = ",".join(
        f'{key}="{text.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for key, text in tags.items()
    )
    (point,) = exposition.read(f"m{{{inner}}} {value!r}".encode(), openmetrics=False)
    assert isinstance(point, Point)
    assert point.series[0].labels == (("__name__", "m"), *tags.items())
    assert point.series[0].value == value


_RANGES = st.builds(Range, st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(0, 9), max_size=200))


@given(st.integers(-10, 20), _RANGES, _RANGES, st.integers(0, 5))
def test_buckets_are_few_ascending_and_count_no_more_than_there_is(
    scale: int, negative: Range, positive: Range, zeros: int
) -> None:
    found = list(below(scale, 0.0, zeros, negative, positive))
    bounds, counts = [bound for bound, _ in found], [count for _, count in found]
    assert len(found) <= BUCKETS_MAX + 4
    assert bounds == sorted(set(bounds))
    assert counts == sorted(counts)
    assert max(counts, default=0) <= zeros + sum(negative.counts) + sum(positive.counts)


@settings(max_examples=10)
@given(st.binary(max_size=20))
def test_a_large_request_broken_at_its_end_is_read_or_malformed(tail: bytes) -> None:
    body = OTLP.SerializeToString()
    with contextlib.suppress(BodyError):
        for piece in pieces(body * (PIECE_BYTES_MAX // len(body) + 1) + tail):
            assert len(piece) <= PIECE_BYTES_MAX + len(tail)
