"""Windows, and which of them are written again."""

from metrics_ingest.domain import rollups
from metrics_ingest.domain.rollups import AGGREGATES, WINDOWS, Rows, Span

from tests.support.remote_write import read

FIVE, HOUR = WINDOWS
END_S = 1_800_000_000


def fresh(value: str, **labels: str) -> list[Rows]:
    return [
        Rows(
            {"__name__": rollups.name_of("m", aggregate, FIVE), "signalbox_tenant": "one", **labels},
            [(float(END_S), value)],
        )
        for aggregate in AGGREGATES
    ]


def stamps(at_s: float, **labels: str) -> list[Rows]:
    return [Rows({**labels}, [(float(END_S), str(at_s))])]


def test_only_closed_windows_are_evaluated() -> None:
    found = rollups.span(FIVE, END_S + 29.0, back_s=600, grace_s=30)
    assert found == Span(END_S - 600, END_S - 300)
    assert rollups.span(FIVE, END_S + 30.0, back_s=600, grace_s=30).last_s == END_S


def test_a_long_late_window_is_as_many_windows_as_one_question_may_ask_for() -> None:
    found = rollups.span(FIVE, END_S, back_s=1e9, grace_s=0)
    assert (found.last_s - found.first_s) // FIVE.seconds + 1 == rollups.WINDOWS_MAX


def test_halves_of_a_span_are_all_of_its_windows() -> None:
    span = Span(END_S, END_S + 4 * FIVE.seconds)
    first, second = rollups.halves(FIVE, span)
    assert (first, second) == (Span(END_S, END_S + 300), Span(END_S + 600, END_S + 1200))
    assert rollups.halves(FIVE, Span(END_S, END_S)) == ()


def test_a_new_window_is_written_whole_within_its_last_second() -> None:
    found = rollups.changes(fresh("2", job="a"), [], [])
    assert len(found) == len(AGGREGATES)
    assert set(map(tuple, found.values())) == {((END_S * 1000 - 1000, 2.0),)}
    assert all("signalbox_tenant" not in dict(labels) for labels in found)


def test_a_window_that_came_to_the_same_is_not_written_again() -> None:
    assert rollups.changes(fresh("2"), fresh("2.0000000000001"), stamps(END_S - 1)) == {}


def test_a_window_that_got_late_points_is_written_a_millisecond_later() -> None:
    found = rollups.changes(fresh("3"), fresh("2"), stamps(END_S - 0.999))
    assert {samples[0] for samples in found.values()} == {(END_S * 1000 - 998, 3.0)}


def test_one_aggregate_that_is_missing_brings_all_of_the_window() -> None:
    assert len(rollups.changes(fresh("2"), fresh("2")[1:], stamps(END_S - 1))) == len(AGGREGATES)


def test_a_window_never_leaves_its_own_time() -> None:
    assert rollups.changes(fresh("3"), fresh("2"), stamps(END_S)) == {}


def test_messages_are_bounded_and_read_back() -> None:
    found = rollups.changes(fresh("2", job="a"), [], [])
    messages = list(rollups.messages(found, 100))
    assert len(messages) > 1
    read_back = [series for message in messages for series in read(message)]
    assert len(read_back) == len(AGGREGATES)
    assert read_back[0][1] == [(END_S * 1000 - 1000, 2.0)]


def test_a_rollup_cannot_be_rolled_up_nor_an_expression_smuggled_in() -> None:
    assert rollups.is_metric("http_requests_total")
    for name in ("", "a:b", 'a"}', "a b", "ä", "1a", "a" * 181, "a\n"):
        assert not rollups.is_metric(name)
