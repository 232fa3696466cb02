import json
from pathlib import Path

import pytest

from benchmarks._frame import alternate, at_most, figure, less_is_better, more_is_better, publish, table
from benchmarks.load_honesty import percentile_of_counts
from benchmarks.stalling_server import true_p99_ms


def test_a_ratio_says_how_much_better_ours_is_in_either_direction() -> None:
    assert more_is_better("rate", 300, 100, unit="1/s").ratio == 3
    assert less_is_better("time", 10, 30, unit="ms").ratio == 3
    assert at_most("memory", 100, 200, unit="MB").passed
    assert not at_most("memory", 201, 200, unit="MB").passed


def test_a_figure_without_a_goal_never_fails() -> None:
    assert figure("p99", 12, unit="ms").passed


def test_ways_take_turns_and_the_median_counts() -> None:
    order: list[str] = []
    values = iter([1.0, 10.0, 100.0, 11.0, 2.0, 12.0])

    def way(name: str) -> float:
        order.append(name)
        return next(values)

    medians = alternate({"a": lambda: way("a"), "b": lambda: way("b")}, rounds=3)
    assert order == ["a", "b"] * 3
    assert medians == {"a": 2.0, "b": 11.0}


@pytest.mark.parametrize(("goal", "reached"), [(2.0, True), (4.0, False)])
def test_the_published_file_holds_rows_machine_and_date(
    tmp_path: Path, goal: float, *, reached: bool
) -> None:
    row = more_is_better("rate", 300, 100, unit="1/s", goal=goal)
    assert publish("sample", [row], folder=tmp_path) is reached
    document = json.loads((tmp_path / "sample.json").read_text())
    assert {"benchmark", "date", "machine", "rows"} <= set(document)
    assert {"name", "ours", "other", "ratio", "goal", "unit"} <= set(document["rows"][0])


def test_a_row_that_falls_short_says_so_in_the_table() -> None:
    assert "FALLS SHORT" in table([more_is_better("rate", 1, 2, unit="1/s", goal=1)])


def test_the_truth_of_a_stall_and_the_percentile_of_counts_are_arithmetic() -> None:
    assert true_p99_ms(10, 1) == pytest.approx(900)
    assert true_p99_ms(1, 0.2) == pytest.approx(190)
    assert percentile_of_counts({"1": 98, "50": 1, "900": 1}, 0.99) == 50
