"""What limits say of themselves, and which of them speaks."""

import pytest
from chassis.ratelimit import Limit, LocalLimiter, headers

from tests.unit.chassis_http.support import Clock

TENANT = Limit("tenant", "t-1", rate_per_s=5, burst=10)
ADDRESS = Limit("address", "192.0.2.1", rate_per_s=1, burst=2)


def test_the_fields_are_those_of_the_ietf_draft() -> None:
    decision = LocalLimiter(clock=Clock()).check([TENANT])
    assert headers(decision) == {
        "RateLimit-Policy": '"tenant";q=10;w=2',
        "RateLimit": '"tenant";r=9;t=1',
    }


def test_every_policy_is_named_and_the_tightest_limit_speaks() -> None:
    decision = LocalLimiter(clock=Clock()).check([TENANT, ADDRESS])
    assert headers(decision)["RateLimit-Policy"] == '"tenant";q=10;w=2, "address";q=2;w=2'
    assert headers(decision)["RateLimit"] == '"address";r=1;t=1'


def test_a_refusal_says_when_to_come_back_in_whole_seconds() -> None:
    limiter = LocalLimiter(clock=Clock())
    decisions = [limiter.check([TENANT, ADDRESS]) for _ in range(3)]
    assert not decisions[2].allowed
    assert decisions[2].limit is ADDRESS
    assert headers(decisions[2])["Retry-After"] == "1"
    assert "Retry-After" not in headers(decisions[1])


def test_a_process_may_be_given_a_part_of_the_limit_only() -> None:
    limiter = LocalLimiter(share=0.5, clock=Clock())
    assert sum(limiter.check([TENANT]).allowed for _ in range(20)) == 5


def test_the_key_is_never_told() -> None:
    assert "192.0.2.1" not in str(headers(LocalLimiter(clock=Clock()).check([ADDRESS])))


@pytest.mark.parametrize(("limits", "cost"), [([], 1), ([ADDRESS], 0), ([TENANT, ADDRESS], 3)])
def test_what_can_never_pass_is_an_error_of_the_caller(limits: list[Limit], cost: int) -> None:
    with pytest.raises(ValueError, match="cost"):
        LocalLimiter().check(limits, cost)


@pytest.mark.parametrize(("rate_per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_limit_that_lets_nothing_through_is_refused(rate_per_s: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Limit("l", "k", rate_per_s=rate_per_s, burst=burst)
