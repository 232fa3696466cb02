from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loadtests.charts import Line, chart, linear_axis, log_axis, nines_axis
from loadtests.recorder import Recorder
from loadtests.report import render
from loadtests.schedule import Schedule
from loadtests.summary import summarise
from loadtests.thresholds import check

SVG = "{http://www.w3.org/2000/svg}"


def make_summary(*, lag_s: float = 0.001, p99_limit_ms: float = 500) -> dict[str, Any]:
    recorder = Recorder(duration_s=10)
    for number in range(1000):
        due_s = number / 100
        recorder.record("redirect", due_s=due_s, started_s=due_s, ended_s=due_s + 0.002, error=None)
    recorder.record("redirect", due_s=1, started_s=1, ended_s=2, error="status <503>")
    recorder.record_lag(lag_s)
    return summarise(
        scenario="shortener",
        schedule=Schedule(100, 10, {"redirect": 1}),
        recorder=recorder,
        checks=check({"redirect": {"p99_ms": p99_limit_ms}}, recorder),
        workers=10,
        wall_s=10,
        generator_cpu_s=2,
        locust_p99_ms=2,
    )


def test_the_report_asks_the_network_for_nothing() -> None:
    page = render(make_summary())
    assert page.count("<svg") == 3
    for outside in ("http://", "https://", "<script", "<link", "src="):
        assert outside not in page


def test_text_that_came_from_answers_is_escaped() -> None:
    page = render(make_summary())
    assert "status &lt;503&gt;" in page
    assert "<503>" not in page


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        (make_summary(), "Passed"),
        (make_summary(p99_limit_ms=1), "Failed"),
        (make_summary(lag_s=0.2), "Void"),
    ],
)
def test_the_verdict_stands_on_top(summary: dict[str, Any], verdict: str) -> None:
    assert f'">{verdict}' in render(summary)


def test_a_generator_that_woke_late_voids_the_run() -> None:
    assert make_summary(lag_s=0.2)["generator"]["saturated"]
    assert not make_summary(lag_s=0.002)["generator"]["saturated"]


def test_a_chart_draws_every_line_inside_its_frame() -> None:
    lines = [Line("a", [(0, 1), (1, 1000)]), Line("b & c", [(0, 0.0), (1, 5)])]
    drawn = chart("Latency", lines, x=linear_axis([0, 1]), y=log_axis([1, 1000, 5]), log_y=True)
    root = ET.fromstring(  # noqa: S314 - our own
        drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    )
    curves = root.findall(f"{SVG}polyline")
    assert len(curves) == 2
    for curve in curves:
        for point in curve.attrib["points"].split():
            across, down = map(float, point.split(","))
            assert 0 <= across <= 860
            assert 0 <= down <= 300


def test_axes_have_ticks_within_their_range() -> None:
    for axis in (linear_axis([0, 37]), log_axis([0.3, 900]), nines_axis([0.3, 3.2]), linear_axis([])):
        assert axis.ticks
        assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)
