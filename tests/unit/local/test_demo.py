"""The demo's arithmetic and its last page."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from infra.local.demo import metrics, outage, report, traffic
from infra.local.demo.story import Check
from infra.local.errors import LocalError


def test_percentiles_are_values_that_were_seen() -> None:
    recorder = traffic.Recorder()
    for latency in range(1, 101):
        recorder.note("redirect", 302, float(latency))
    assert recorder.percentiles("redirect") == [50.0, 95.0, 99.0]
    recorder.note("one", 201, 7.0)
    assert recorder.percentiles("one") == [7.0, 7.0, 7.0]


def test_a_broken_expectation_is_shown_as_broken() -> None:
    recorder = traffic.Recorder()
    recorder.note("redirect", 302, 1.0)
    page = report.render(
        recorder,
        [Check("all is well", held=True, seen="1"), Check("nothing is lost", held=False, seen="2 of 3")],
        {"SHORTENER_URL": "http://127.0.0.1:8010"},
        {"set-up": 1.0, "traffic": 2.0},
    )
    assert "held    all is well" in page
    assert "BROKEN  nothing is lost" in page
    assert "http://127.0.0.1:8010/docs" in page


async def test_a_slow_answer_delays_no_later_start() -> None:
    starts: list[float] = []

    async def call(meant_at: float) -> None:
        starts.append(meant_at)
        await asyncio.sleep(0.05)

    await traffic.on_schedule((call for _ in range(5)), traffic.Recorder(), rate_per_s=1_000)
    assert [round((b - a) * 1_000) for a, b in pairwise(starts)] == [1, 1, 1, 1]


async def test_the_demo_drives_loopback_only() -> None:
    with pytest.raises(LocalError, match="loopback only"):
        async with traffic.connect("http://example.com", "key", traffic.Recorder()):
            pass


def account(**changed: Any) -> dict[str, Any]:
    nothing = {"received": 0, "accepted": 0, "rejected": {}, "stored": 0, "dead": {}, "residue": 0}
    return {**nothing, **changed}


def test_a_point_that_the_ledger_lacks_breaks_its_promise() -> None:
    rejected = {"too_old": 1, "missing_name": 2}
    whole = account(received=510, accepted=507, rejected=rejected, stored=506, dead={"nan": 1})
    story = metrics.PointStory(accepted=500, refused=3, before=account(received=7, accepted=7, stored=7))
    for found in (whole, {**whole, "stored": 505}, {**whole, "stored": 505, "residue": 1}):
        outage.balance(story, found)
    assert [check.held for check in story.checks] == [True, False, False]


def test_every_protocol_of_the_demo_sends_the_same_point() -> None:
    messages = metrics.messages(21.5)
    assert len({path for _, path, _, _ in messages}) == len(messages)
    for _, path, body, headers in messages:
        assert "21.5" in body
        assert (headers["Content-Type"] == "application/json") == body.startswith("{"), path
        assert not body.startswith("{") or json.loads(body)


def test_the_points_of_an_outage_lie_in_the_window_that_adds_them_up() -> None:
    assert outage.BATCHES * outage.EVERY_S < outage.AROUND_S / 2
    assert max(outage.DEATHS) < outage.BATCHES


async def test_what_never_comes_is_told_with_the_next_step() -> None:
    async def look() -> None:
        return None

    with pytest.raises(LocalError, match="the moon did not come") as raised:
        await traffic.eventually("the moon", look, hint="look up", timeout_s=0.01)
    assert raised.value.hint == "look up"
