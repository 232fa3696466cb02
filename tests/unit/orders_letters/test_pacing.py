"""The pace of a run."""

import pytest
from orders.domain.pacing import Pace


def test_the_first_letter_waits_as_long_as_every_other() -> None:
    pace = Pace(10.0, now=100.0, catch_up_s=1.0)
    assert pace.due(100.0) == 0
    assert pace.wait_s(100.0) == pytest.approx(0.1)
    assert pace.due(100.1) == 1


def test_what_is_due_together_goes_together() -> None:
    pace = Pace(100.0, now=0.0, catch_up_s=1.0)
    assert pace.due(0.0501) == 5
    pace.went(5)
    assert pace.due(0.0501) == 0
    assert pace.due(0.0601) == 1


def test_a_short_stall_is_made_up_for() -> None:
    pace = Pace(10.0, now=0.0, catch_up_s=1.0)
    assert pace.due(0.501) == 5


def test_a_long_stall_is_not() -> None:
    pace = Pace(10.0, now=0.0, catch_up_s=1.0)
    assert pace.due(60.0) == 11
    pace.went(11)
    assert pace.due(60.0) == 0
    assert pace.wait_s(60.0) == pytest.approx(0.1)


def test_what_did_not_go_stays_due() -> None:
    pace = Pace(10.0, now=0.0, catch_up_s=1.0)
    assert pace.due(0.31) == 3
    pace.went(1)
    assert pace.due(0.31) == 2
