"""GCRA never lets more through than burst + rate * time, and lets through what it promised."""

from chassis.ratelimit import Limit, LocalLimiter
from hypothesis import given
from hypothesis import strategies as st

rates = st.floats(min_value=0.01, max_value=10_000)
bursts = st.integers(min_value=1, max_value=500)
arrivals = st.lists(
    st.tuples(st.floats(min_value=0, max_value=20), st.integers(min_value=1, max_value=20)),
    max_size=200,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@given(rate=rates, burst=bursts, arrivals=arrivals)
def test_never_more_than_the_burst_and_the_rate_allow_in_any_interval(
    rate: float,
    burst: int,
    arrivals: list[tuple[float, int]],
) -> None:
    clock = Clock()
    limiter = LocalLimiter(clock=clock)
    limit = Limit("l", "k", rate_per_s=rate, burst=burst)
    admitted: list[tuple[float, int]] = []
    for pause_s, cost in arrivals:
        clock.now_s += pause_s
        if cost <= burst and limiter.check([limit], cost).allowed:
            admitted.append((clock.now_s, cost))
    for start, (since_s, _) in enumerate(admitted):
        total = 0
        for at_s, cost in admitted[start:]:
            total += cost
            assert total <= burst + rate * (at_s - since_s) + 1e-6


@given(rate=rates, burst=bursts, arrivals=arrivals)
def test_who_waits_as_long_as_told_is_let_through(
    rate: float,
    burst: int,
    arrivals: list[tuple[float, int]],
) -> None:
    clock = Clock()
    limiter = LocalLimiter(clock=clock)
    limit = Limit("l", "k", rate_per_s=rate, burst=burst)
    for pause_s, cost in arrivals:
        clock.now_s += pause_s
        if cost > burst:
            continue
        decision = limiter.check([limit], cost)
        if not decision.allowed:
            clock.now_s += decision.retry_after_s + 1e-6
            assert limiter.check([limit], cost).allowed


@given(rate=rates, burst=bursts, spent=st.integers(min_value=0, max_value=500))
def test_remaining_is_what_can_still_be_had_at_once(rate: float, burst: int, spent: int) -> None:
    limiter = LocalLimiter(clock=Clock())
    limit = Limit("l", "k", rate_per_s=rate, burst=burst)
    left = burst
    for _ in range(min(spent, burst)):
        left = limiter.check([limit]).remaining
    assert left == burst - min(spent, burst)
    for _ in range(left):
        assert limiter.check([limit]).allowed
    assert not limiter.check([limit]).allowed


@given(bursts=st.lists(st.integers(min_value=1, max_value=20), min_size=2, max_size=4))
def test_a_refusal_by_one_limit_takes_nothing_from_the_others(bursts: list[int]) -> None:
    limiter = LocalLimiter(clock=Clock())
    limits = [Limit(f"l{i}", "k", rate_per_s=1, burst=burst) for i, burst in enumerate(bursts)]
    admitted = sum(limiter.check(limits).allowed for _ in range(50))
    assert admitted == min(bursts)
    for limit, burst in zip(limits, bursts, strict=True):
        assert sum(limiter.check([limit]).allowed for _ in range(50)) == burst - admitted


@given(keys=st.lists(st.text(max_size=5), max_size=100), size=st.integers(min_value=1, max_value=10))
def test_the_local_limiter_stays_within_its_size(keys: list[str], size: int) -> None:
    limiter = LocalLimiter(size_max=size, clock=Clock())
    for key in keys:
        limiter.check([Limit("l", key, rate_per_s=1, burst=1)])
    assert len(limiter._tats) <= size
