"""Text expositions: labels, values and times of both formats, and lines that are refused alone."""

import math

import pytest
from metrics_ingest.domain.points import Point, Refused
from metrics_ingest.receivers.parsing import exposition


def read(body: str, *, openmetrics: bool = False) -> list[Point | Refused]:
    return list(exposition.read(body.encode(), openmetrics=openmetrics))


def one(line: str, *, openmetrics: bool = False) -> tuple[dict[str, str], int | None, float]:
    (point,) = read(line, openmetrics=openmetrics)
    assert isinstance(point, Point), point
    (sample,) = point.series
    return dict(sample.labels), sample.timestamp_ms, sample.value


def test_comments_are_passed_over_and_lines_counted() -> None:
    body = '# HELP up Is it?\n# TYPE up gauge\n\nup 1\n\tup{a="b"} 2 1700000000000\r\n'
    assert [point.index for point in read(body)] == [4, 5]


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("up 1", {"__name__": "up"}),
        ("a:b_9\t1", {"__name__": "a:b_9"}),
        ("up{} 1", {"__name__": "up"}),
        ('up { a = "b" , c = "" , } 1', {"__name__": "up", "a": "b", "c": ""}),
        ('up{a="} 1 # \\\\ \\" \\n \\t"}1', {"__name__": "up", "a": '} 1 # \\ " \n \\t'}),
        (
            '{"http.requests","by.code"="5","x"="ü"} 1',
            {"__name__": "http.requests", "by.code": "5", "x": "ü"},
        ),
        ('{__name__="up"} 1', {"__name__": "up"}),
    ],
)
def test_labels_are_read_as_they_are_meant(line: str, labels: dict[str, str]) -> None:
    assert one(line)[0] == labels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("+1", 1.0),
    ],
)
def test_values_are_those_of_the_format(text: str, value: float) -> None:
    assert one(f"up {text}")[2] == value


def test_a_nan_is_a_value() -> None:
    assert math.isnan(one("up NaN")[2])


def test_timestamps_are_ms_in_one_format_and_seconds_in_the_other() -> None:
    assert one("up 1 1700000000123")[1] == 1_700_000_000_123
    assert one("up 1 1700000000.123", openmetrics=True)[1] == 1_700_000_000_123
    assert one("up 1")[1] is None


def test_exemplars_are_left_behind() -> None:
    line = 'f_bucket{le="1"} 3 1700000000 # {trace_id="x y"} 0.5 1700000000.1'
    assert one(line, openmetrics=True) == ({"__name__": "f_bucket", "le": "1"}, 1_700_000_000_000, 3.0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("9up 1", "invalid_name"),
        ("\N{LATIN SMALL LETTER U WITH DIAERESIS} 1", "invalid_name"),
        ("up", "malformed"),
        ("up ", "malformed"),
        ("up-1 2", "malformed"),
        ("up 1 2 3", "malformed"),
        ("up{", "malformed"),
        ('up{a="b"', "malformed"),
        ('up{a="b" c="d"} 1', "malformed"),
        ("up{a=b} 1", "malformed"),
        ("up{a} 1", "malformed"),
        ('up{a="b"} ', "malformed"),
        ("up{,} 1", "malformed"),
        ("up x", "invalid_value"),
        ("up 1_0", "invalid_value"),
        ("up +-inf", "invalid_value"),
        ("up 1e999", "invalid_value"),
        ("up 1 x", "invalid_timestamp"),
        ("up 1 1.5", "invalid_timestamp"),
        ("up 1 99999999999999999999999", "invalid_timestamp"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_alone(line: str, reason: str) -> None:
    before, refused, after = read(f"a 1\n{line}\nb 1")
    assert refused == Refused(2, reason)
    assert isinstance(before, Point)
    assert isinstance(after, Point)


def test_bytes_that_are_no_text_are_refused_by_their_line() -> None:
    assert list(exposition.read(b'up{a="\xff"} 1', openmetrics=False)) == [Refused(1, "invalid_utf8")]


def test_nothing_comes_after_the_end() -> None:
    assert read("up 1\n# EOF\nup 2", openmetrics=True)[1:] == [Refused(3, "malformed")]
    assert len(read("up 1\n# EOF\nup 2")) == 2


def test_the_format_is_known_by_its_type_or_by_its_end() -> None:
    assert exposition.is_openmetrics("application/openmetrics-text", b"up 1")
    assert exposition.is_openmetrics("", b"up 1\n# EOF\n")
    assert not exposition.is_openmetrics("text/plain", b"up 1\n")
