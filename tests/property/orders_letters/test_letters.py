"""Whatever stands in a DLQ topic can be kept, and whatever the clock does the pace holds."""

from chassis.records import Message
from hypothesis import given
from hypothesis import strategies as st
from orders.domain.letters import BIGINT_MAX, INT_MAX, NAME_CHARACTERS_MAX, death_of
from orders.domain.pacing import Pace

NAMES = st.sampled_from(
    [
        "dlq-group",
        "dlq-topic",
        "dlq-partition",
        "dlq-offset",
        "dlq-attempts",
        "dlq-redrives",
        "dlq-failed-at",
        "dlq-error",
        "dlq-error-class",
        "dlq-reason",
        "ce_type",
        "traceparent",
    ]
)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.integers().map(lambda number: str(number).encode()),
    st.datetimes().map(lambda moment: moment.isoformat().encode()),
    st.sampled_from([b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00", b"x" * 1_000, b"\x00"]),
)
HEADERS = st.lists(st.tuples(st.one_of(NAMES, st.text(max_size=10)), VALUES), max_size=16).map(tuple)


@given(headers=HEADERS, timestamp_ms=st.integers(-(2**63), 2**63 - 1))
def test_every_record_is_a_letter_that_the_database_can_hold(
    headers: tuple[tuple[str, bytes], ...], timestamp_ms: int
) -> None:
    death = death_of(Message("x.dlq", 0, 1, None, None, headers, timestamp_ms))
    names = (death.group, death.origin.topic, death.reason, death.error_class, death.event_type or "")
    for text in (*names, death.error, *(name for name, _ in death.headers)):
        assert "\x00" not in text
        text.encode()
    assert all(len(name) <= NAME_CHARACTERS_MAX for name in names)
    assert death.group
    assert 0 <= death.origin.partition <= INT_MAX
    assert 0 <= death.origin.offset <= BIGINT_MAX
    assert 0 <= death.attempts <= INT_MAX
    assert 0 <= death.redrives <= INT_MAX
    assert death.failed_at.utcoffset() is not None
    assert all(isinstance(value, bytes) for _, value in death.headers)


@given(
    rate=st.floats(0.1, 10_000.0),
    steps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
    catch_up_s=st.floats(0.01, 2.0),
)
def test_no_more_go_than_the_rate_allows_and_after_a_stall_no_more_than_is_made_up_for(
    rate: float, steps: list[float], catch_up_s: float
) -> None:
    now, gone = 0.0, 0
    pace = Pace(rate, now=now, catch_up_s=catch_up_s)
    for step in steps:
        now += step
        due = pace.due(now)
        assert due <= catch_up_s * rate + 1 + 1e-6
        pace.went(due)
        gone += due
        assert gone <= now * rate + 1e-3
        # Up to the arithmetic of floats: what was due has gone.
        assert pace.due(now) <= 1


@given(rate=st.floats(0.5, 5_000.0), ticks=st.integers(1, 200))
def test_a_loop_that_keeps_up_sends_what_the_rate_asks_for(rate: float, ticks: int) -> None:
    now, gone = 0.0, 0
    pace = Pace(rate, now=now, catch_up_s=1.0)
    for _ in range(ticks):
        now += 0.02
        due = pace.due(now)
        pace.went(due)
        gone += due
    assert abs(gone - now * rate) <= 1 + 1e-3
