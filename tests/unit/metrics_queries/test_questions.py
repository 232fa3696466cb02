"""Parameters as Prometheus takes them, and what it refuses."""

import pytest
from metrics_ingest.domain import positions, questions
from metrics_ingest.domain.positions import PositionInvalid
from metrics_ingest.domain.questions import BadParameter, Limits, Parameters

LIMITS = Limits()
NOW_MS = 1_800_000_000_123


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1800000000", 1_800_000_000_000),
        ("1800000000.123", 1_800_000_000_123),
        ("1.8e9", 1_800_000_000_000),
        ("-5", 0),
        ("2026-01-01T00:00:00Z", 1_767_225_600_000),
        ("2026-01-01T02:00:00.5+02:00", 1_767_225_600_500),
        ("-292273086-05-16T16:47:06Z", 0),
        ("+292277025-08-18T07:12:54.999999999Z", questions.TIME_MS_MAX),
        ("1e300", questions.TIME_MS_MAX),
    ],
)
def test_a_moment_is_unix_seconds_or_rfc_3339(text: str, expected_ms: int) -> None:
    assert questions.moment_ms("time", text) == expected_ms


@pytest.mark.parametrize(
    "text",
    ["now", "-1h", "1h", "NaN", "inf", "1_000", " 1", "0x10", "2026-13-01T00:00:00Z", "2026-01-01", "\u0661"],
)
def test_what_only_the_store_would_take_for_a_moment_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="time"):
        questions.moment_ms("time", text)


def test_an_instant_query_without_a_time_names_this_moment() -> None:
    assert questions.instant({"query": ["up"]}, LIMITS, NOW_MS).at_ms == NOW_MS


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_query_is_bad_data(text: str) -> None:
    with pytest.raises(BadParameter, match="query"):
        questions.instant({"query": [text]}, LIMITS, NOW_MS)


def test_a_query_longer_than_the_store_takes_is_bad_data() -> None:
    with pytest.raises(BadParameter, match="longer"):
        questions.instant({"query": ["ä" * LIMITS.query_bytes_max]}, LIMITS, NOW_MS)


def ranged(**changed: str) -> Parameters:
    wanted = {"query": "up", "start": "0", "end": "11000", "step": "1"} | changed
    return {name: [value] for name, value in wanted.items()}


def test_a_range_may_have_as_many_points_as_in_prometheus() -> None:
    found = questions.range_of(ranged(), LIMITS)
    assert (found.start_ms, found.end_ms, found.step_ms) == (0, 11_000_000, 1000)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"end": "11001"}, "maximum resolution"),
        ({"step": "0"}, "zero or negative"),
        ({"step": "-1"}, "zero or negative"),
        ({"step": "0.0001"}, "zero or negative"),
        ({"step": "1x"}, "duration"),
        ({"step": "1e300"}, "too long"),
        ({"start": "2", "end": "1"}, "before start"),
        ({"end": "1e9", "step": "1d"}, "longest range"),
        ({"start": ""}, "start"),
        ({"end": ""}, "end"),
        ({"step": ""}, "step"),
    ],
)
def test_a_range_that_makes_no_sense_is_bad_data(changed: dict[str, str], word: str) -> None:
    with pytest.raises(BadParameter, match=word):
        questions.range_of(ranged(**changed), LIMITS)


@pytest.mark.parametrize(
    ("text", "expected_s"), [("250ms", 0.25), ("1s500ms", 1.5), ("2", 2.0), ("1h", LIMITS.timeout_s)]
)
def test_the_callers_timeout_counts_when_it_is_below_ours(text: str, expected_s: float) -> None:
    assert questions.timeout_s({"timeout": [text]}, LIMITS) == expected_s


@pytest.mark.parametrize("query", ["1", " 1 + 1", "-(2 ^ 3) % 1e-3", "time() - 3600", "pi() * .5", "NaN"])
def test_arithmetic_of_numbers_is_a_scalar(query: str) -> None:
    assert questions.is_scalar(query)


@pytest.mark.parametrize(
    "query", ["", "up", "vector(1)", "1 + up", "e", "time", "1e", "info()", "in f", '"1"']
)
def test_what_may_have_series_is_no_scalar(query: str) -> None:
    assert not questions.is_scalar(query)


@pytest.mark.parametrize("text", ["0", "-1s", "soon", "1s1m"])
def test_a_timeout_that_makes_no_sense_is_bad_data(text: str) -> None:
    with pytest.raises(BadParameter, match="timeout"):
        questions.timeout_s({"timeout": [text]}, LIMITS)


def test_series_need_a_selector_and_labels_do_not() -> None:
    with pytest.raises(BadParameter, match=r"no match\[\]"):
        questions.matching({}, LIMITS, latest_ms=NOW_MS, needed=True)
    found = questions.matching({}, LIMITS, latest_ms=NOW_MS, needed=False)
    assert (found.matches, found.start_ms, found.end_ms) == ((), 0, NOW_MS)


@pytest.mark.parametrize(
    "parameters",
    [
        {"match[]": ["up"] * (LIMITS.matches_max + 1)},
        {"match[]": ["up", ""]},
        {"match[]": ["x" * LIMITS.query_bytes_max, "y"]},
        {"match[]": ["up"], "start": ["2"], "end": ["1"]},
        {"match[]": ["up"], "limit": ["-1"]},
        {"match[]": ["up"], "limit": ["many"]},
    ],
)
def test_selectors_are_bounded(parameters: Parameters) -> None:
    with pytest.raises(BadParameter):
        questions.matching(parameters, LIMITS, latest_ms=NOW_MS, needed=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a\x00b"])
def test_a_label_name_cannot_lead_elsewhere(name: str) -> None:
    with pytest.raises(BadParameter):
        questions.label_name(name)


@pytest.mark.parametrize("time_ms", [0, 1, 999, 1_800_000_000_123, 1_799_999_999_999])
def test_the_store_reads_the_same_millisecond_whether_it_cuts_or_rounds(time_ms: int) -> None:
    product = float(questions.seconds(time_ms)) * 1e3
    assert (int(product), round(product)) == (time_ms, time_ms)


def test_a_position_is_reached_when_everything_before_the_next_offset_is_stored() -> None:
    wanted = positions.parse("p0:17,p3:0")
    assert wanted == {0: 17, 3: 0}
    assert positions.is_reached(wanted, {0: 18, 3: 1, 5: 0})
    assert not positions.is_reached(wanted, {0: 17, 3: 1})
    assert not positions.is_reached(wanted, {0: 18})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p",
        "0:1",
        "p0",
        "p0:",
        "p0:-1",
        "p00:1",
        "p0:1,",
        "p0:1 ",
        "p64:1",
        "p0:9223372036854775807",
        "p\u0660:1",
        ",".join(["p0:1"] * (positions.PARTS_MAX + 1)),
    ],
)
def test_a_position_that_was_not_given_out_is_invalid(text: str) -> None:
    with pytest.raises(PositionInvalid):
        positions.parse(text)
