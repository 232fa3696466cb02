"""Points a second: bought in slices, refused as a whole, never more than the burst."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from chassis.ratelimit import Decision, Limit, LocalLimiter
from metrics_ingest.domain.tenants import Tenant
from metrics_ingest.usecases.allowance import Allowance, TooManyPoints

TENANT = Tenant(id="acme", name="Acme", points_per_s=1000.0)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A limiter that tells how often it was asked."""

    clock: Clock
    asked: int = 0
    local: LocalLimiter = field(init=False)

    def __post_init__(self) -> None:
        self.local = LocalLimiter(clock=self.clock)

    async def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        self.asked += 1
        return self.local.check(limits, cost)


def allowance(limiter: Counted, clock: Clock) -> Allowance:
    return Allowance(limiter, burst_s=2.0, slice_s=0.1, stands_s=1.0, tenants_max=2, clock=clock)


async def taken(allowance: Allowance, points: int, *, tenant: Tenant = TENANT, times: int = 10_000) -> int:
    """How many of them fit in until the first refusal."""
    for count in range(times):
        try:
            await allowance.take(tenant, points)
        except TooManyPoints:
            return count * points
    return times * points


async def test_a_burst_is_let_in_to_the_point_and_then_no_more() -> None:
    clock = Clock()

    assert await taken(allowance(Counted(clock), clock), 1) == 2000


async def test_small_requests_seldom_ask() -> None:
    clock = Clock()
    limiter = Counted(clock)

    await taken(allowance(limiter, clock), 1, times=1000)

    assert limiter.asked == 10


async def test_a_refusal_stands_before_bodies_are_read_and_passes() -> None:
    clock = Clock()
    weighing = allowance(Counted(clock), clock)
    await taken(weighing, 500)

    with pytest.raises(TooManyPoints) as refused:
        weighing.check(TENANT)
    clock.now += refused.value.retry_after_s

    weighing.check(TENANT)
    await weighing.take(TENANT, 500)


async def test_other_tenants_do_not_feel_it() -> None:
    clock = Clock()
    weighing = allowance(Counted(clock), clock)
    await taken(weighing, 500)
    other = Tenant(id="globex", name="Globex", points_per_s=1000.0)

    weighing.check(other)

    assert await taken(weighing, 500, tenant=other) == 2000


async def test_a_request_above_the_burst_is_weighed_as_the_burst() -> None:
    clock = Clock()
    weighing = allowance(Counted(clock), clock)

    await weighing.take(TENANT, 1_000_000)

    with pytest.raises(TooManyPoints):
        await weighing.take(TENANT, 1)


@pytest.mark.parametrize("rate", [1.0, 7.0, 333_000.0, 500_000.0, 3_000_000.0])
async def test_the_rate_is_kept_at_any_height(rate: float) -> None:
    clock = Clock()
    weighing = allowance(Counted(clock), clock)
    tenant = Tenant(id="acme", name="Acme", points_per_s=rate)
    points = max(1, int(rate / 50))

    first = await taken(weighing, points, tenant=tenant)
    clock.now += 2.0
    second = await taken(weighing, points, tenant=tenant)

    assert 0.9 * 2 * rate - points <= first <= 2 * rate + points
    assert 0.9 * 2 * rate - points <= second <= 2 * rate + 2 * points


async def test_what_was_bought_stays_when_the_next_is_refused() -> None:
    clock = Clock()
    weighing = allowance(Counted(clock), clock)
    await weighing.take(TENANT, 50)  # a slice of 100: half of it is left

    with pytest.raises(TooManyPoints):
        await weighing.take(TENANT, 1999)

    await weighing.take(TENANT, 50)
