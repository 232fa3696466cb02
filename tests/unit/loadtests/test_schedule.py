import random
from collections import Counter
from itertools import pairwise

import pytest

from loadtests.popularity import Zipf
from loadtests.schedule import ARRIVALS_MAX, Schedule, ScheduleError

MIX = {"redirect": 97, "create": 2, "stats": 1}


def test_constant_arrivals_are_evenly_spaced_and_stop_before_the_end() -> None:
    arrivals = list(Schedule(100, 2, MIX).arrivals())
    assert [arrival.number for arrival in arrivals] == list(range(200))
    gaps = [later.due_s - earlier.due_s for earlier, later in pairwise(arrivals)]
    assert all(gap == pytest.approx(0.01) for gap in gaps)
    assert arrivals[-1].due_s < 2


def test_poisson_arrivals_keep_the_mean_rate_and_their_gaps_vary_as_much_as_their_mean() -> None:
    arrivals = list(Schedule(1000, 20, MIX, poisson=True, seed=7).arrivals())
    assert len(arrivals) == pytest.approx(20_000, rel=0.03)
    gaps = [later.due_s - earlier.due_s for earlier, later in pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize("poisson", [False, True])
def test_the_same_seed_gives_the_same_run_and_another_seed_another(*, poisson: bool) -> None:
    def made(seed: int) -> list[tuple[float, str]]:
        schedule = Schedule(500, 2, MIX, poisson, seed)
        return [(arrival.due_s, arrival.operation) for arrival in schedule.arrivals()]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_operations_come_in_the_shares_of_the_mix() -> None:
    drawn = Counter(arrival.operation for arrival in Schedule(5000, 4, MIX).arrivals())
    assert drawn["redirect"] / 20_000 == pytest.approx(0.97, abs=0.01)
    assert drawn["create"] / 20_000 == pytest.approx(0.02, abs=0.005)


@pytest.mark.parametrize(
    ("rate", "duration", "mix"),
    [
        (0, 10, MIX),
        (10, 0, MIX),
        (10, 3601, MIX),
        (ARRIVALS_MAX, 2, MIX),
        (10, 10, {}),
        (10, 10, {"a": 0}),
        (10, 10, {"a": -1, "b": 2}),
    ],
)
def test_an_unbounded_or_empty_schedule_is_refused(
    rate: float, duration: float, mix: dict[str, float]
) -> None:
    with pytest.raises(ScheduleError):
        Schedule(rate, duration, mix)


def test_zipf_gives_the_first_rank_twice_the_share_of_the_second() -> None:
    source = random.Random(3)  # noqa: S311
    zipf = Zipf(100)
    drawn = Counter(zipf.draw(source) for _ in range(50_000))
    assert min(drawn) == 0
    assert max(drawn) <= 99
    assert drawn[0] / drawn[1] == pytest.approx(2, rel=0.1)
    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)
