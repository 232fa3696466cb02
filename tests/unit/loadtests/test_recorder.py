import pytest

from loadtests.recorder import Recorder, percentile_curve, percentiles_ms


def make_stall(*, rate_per_s: int, period_s: float, stall_s: float, periods: int) -> Recorder:
    """A server that answers at once, except in the first `stall_s` of every period."""
    duration_s = period_s * periods
    recorder = Recorder(duration_s=duration_s)
    for number in range(round(rate_per_s * duration_s)):
        due_s = number / rate_per_s
        wait_s = max(0.0, stall_s - due_s % period_s)
        recorder.record(
            "visit", due_s=due_s, started_s=due_s + wait_s, ended_s=due_s + wait_s + 0.001, error=None
        )
    return recorder


def test_the_wait_for_a_start_is_part_of_the_latency_but_not_of_the_service_time() -> None:
    recorder = make_stall(rate_per_s=500, period_s=10, stall_s=1, periods=2)
    total = recorder.total()
    assert percentiles_ms(total.corrected)["p99"] == pytest.approx(901, rel=0.01)
    assert percentiles_ms(total.service)["p99"] == pytest.approx(1, rel=0.01)


def test_the_total_is_the_sum_of_the_operations() -> None:
    recorder = Recorder(duration_s=10)
    for number in range(100):
        recorder.record("read", due_s=1, started_s=1, ended_s=1 + (number + 1) / 1000, error=None)
    recorder.record("write", due_s=1, started_s=1, ended_s=3, error="status 500")
    total = recorder.total()
    assert (total.count, total.error_count) == (101, 1)
    assert percentiles_ms(total.corrected)["max"] == pytest.approx(2000, rel=0.001)
    assert percentiles_ms(recorder.series["read"].corrected)["p50"] == pytest.approx(50, rel=0.01)
    assert recorder.in_time == 100


def test_what_is_due_in_the_warm_up_is_not_counted() -> None:
    recorder = Recorder(duration_s=10, warmup_s=2)
    recorder.record("visit", due_s=1.9, started_s=1.9, ended_s=9, error="status 500")
    recorder.record_late_start(due_s=1.9, started_s=3)
    recorder.record_unfinished("visit", due_s=1.9, now_s=20)
    recorder.record("visit", due_s=2.0, started_s=2.0, ended_s=2.1, error=None)
    assert recorder.total().count == 1
    assert (recorder.late_starts, recorder.unfinished, recorder.total().error_count) == (0, 0, 0)


def test_an_arrival_that_never_ended_counts_as_an_error_with_its_wait_so_far() -> None:
    recorder = Recorder(duration_s=10)
    recorder.record_unfinished("visit", due_s=4, now_s=25)
    total = recorder.total()
    assert total.errors == {"unfinished": 1}
    assert percentiles_ms(total.corrected)["max"] == pytest.approx(21_000, rel=0.001)
    assert recorder.in_time == 0


def test_an_answer_long_after_the_schedule_does_not_count_for_the_achieved_rate() -> None:
    recorder = Recorder(duration_s=10)
    recorder.record("visit", due_s=9, started_s=9, ended_s=10.9, error=None)
    recorder.record("visit", due_s=9, started_s=9, ended_s=11.1, error=None)
    assert recorder.in_time == 1


def test_the_percentile_curve_rises_and_stops_where_no_request_is_left_to_tell() -> None:
    recorder = make_stall(rate_per_s=100, period_s=10, stall_s=1, periods=1)
    curve = percentile_curve(recorder.total().corrected)
    assert [value for _, value in curve] == sorted(value for _, value in curve)
    assert curve[0][0] == pytest.approx(0.301, abs=0.001)
    assert curve[-1][0] <= 3.0


def test_an_empty_recorder_has_neither_percentiles_nor_a_curve() -> None:
    total = Recorder(duration_s=1).total()
    assert percentiles_ms(total.corrected) == {}
    assert percentile_curve(total.corrected) == []
