from pathlib import Path

import pytest
import yaml

from loadtests.recorder import Recorder
from loadtests.thresholds import Check, ThresholdsError, check, load_limits

HERE = Path(__file__).parents[3] / "loadtests" / "thresholds.yaml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    return path


def recorded(*, errors: int = 0) -> Recorder:
    recorder = Recorder(duration_s=10)
    for number in range(100):
        error = "status 500" if number < errors else None
        recorder.record("redirect", due_s=1, started_s=1, ended_s=1 + (number + 1) / 1000, error=error)
    return recorder


def broken(checks: list[Check]) -> set[tuple[str, str]]:
    return {(item.operation, item.limit) for item in checks if not item.passed}


def test_a_run_within_its_limits_breaks_none() -> None:
    limits = {"redirect": {"p95_ms": 96, "p99_ms": 100, "error_ratio": 0}, "all": {"achieved_ratio": 1}}
    assert broken(check(limits, recorded())) == set()


def test_each_limit_is_broken_on_its_own() -> None:
    limits = {"redirect": {"p50_ms": 60, "p99_ms": 90, "error_ratio": 0.01}, "all": {"achieved_ratio": 0.99}}
    assert broken(check(limits, recorded(errors=2))) == {
        ("redirect", "p99_ms"),
        ("redirect", "error_ratio"),
        ("all", "achieved_ratio"),
    }


def test_a_run_without_any_answer_breaks_the_limits_of_all() -> None:
    limits = {"all": {"p99_ms": 100, "error_ratio": 0.1, "achieved_ratio": 0.5}}
    assert len(broken(check(limits, Recorder(duration_s=1)))) == 3


def test_an_operation_that_a_short_run_never_drew_is_not_judged() -> None:
    assert check({"stats": {"p99_ms": 1}}, recorded()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other: {}", "no limits for shortener"),
        ("shortener: {redirect: {p98_ms: 1}}", "unknown limits"),
        ("shortener: {redirct: {p99_ms: 1}}", "no operations"),
    ],
)
def test_a_misspelt_limit_is_an_error_and_no_pass(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ThresholdsError, match=message):
        load_limits(written(tmp_path, text), "shortener", ["redirect"])


def test_every_scenario_in_the_committed_file_bounds_errors_and_the_achieved_rate() -> None:
    for limits in yaml.safe_load(HERE.read_text()).values():
        assert {"error_ratio", "achieved_ratio"} <= set(limits["all"])
