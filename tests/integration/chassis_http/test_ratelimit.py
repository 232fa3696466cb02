"""Limits in a real Redis: shared, all or nothing, and harmless when Redis is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chassis.ratelimit import Limit, LocalLimiter, RateLimiter, RateLimiterUnavailable, connect
from chassis.resilience import Breaker, BreakerState
from chassis.settings import ChassisSettings
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from tests.support.eventually import eventually
from tests.support.servers import Handle

# So slow that nothing comes back while a test runs.
SLOW = 1 / 3600


@asynccontextmanager
async def client(url: str, redis_timeout_s: float = 2.0) -> AsyncIterator[Redis]:
    redis = connect(ChassisSettings(redis_url=url, redis_timeout_s=redis_timeout_s))
    try:
        yield redis
    finally:
        await redis.aclose()


def limiter(redis: Redis, **options: object) -> RateLimiter:
    return RateLimiter(redis, **{"timeout_s": 2.0, **options})  # type: ignore[arg-type]


async def test_a_burst_passes_and_the_next_request_is_told_when_to_come_back(redis_url: str) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=3)
    async with client(redis_url) as redis:
        checks = limiter(redis)
        decisions = [await checks.check([limit]) for _ in range(4)]
    assert [d.allowed for d in decisions] == [True, True, True, False]
    assert [d.remaining for d in decisions] == [2, 1, 0, 0]
    assert 3590 < decisions[3].retry_after_s <= 3600
    assert 3 * 3590 < decisions[3].reset_s <= 3 * 3600


async def test_processes_share_one_limit_however_they_race(redis_url: str) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=50)
    async with client(redis_url) as one, client(redis_url) as two:
        first, second = limiter(one), limiter(two)
        checks = [(first if i % 2 else second).check([limit]) for i in range(200)]
        decisions = await asyncio.gather(*checks)
    assert sum(d.allowed for d in decisions) == 50


async def test_when_one_limit_refuses_the_others_lose_nothing(redis_url: str) -> None:
    wide = Limit("tenant", "a", rate_per_s=SLOW, burst=10)
    narrow = Limit("address", "192.0.2.1", rate_per_s=SLOW, burst=1)
    async with client(redis_url) as redis:
        checks = limiter(redis)
        assert (await checks.check([wide, narrow])).allowed
        for _ in range(5):
            refused = await checks.check([wide, narrow])
            assert not refused.allowed
            assert refused.limit is narrow
        assert (await checks.check([wide])).remaining == 8


async def test_the_script_is_loaded_again_after_redis_forgot_it(redis_url: str) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=2)
    async with client(redis_url) as redis:
        checks = limiter(redis)
        await checks.check([limit])
        await redis.script_flush()
        decision = await checks.check([limit])
    assert decision.remaining == 0
    assert not decision.degraded


async def test_state_expires_when_the_burst_is_whole_again(redis_url: str) -> None:
    limit = Limit("tenant", "a", rate_per_s=10, burst=20)
    async with client(redis_url) as redis:
        await limiter(redis).check([limit], cost=20)
        ttl_ms = await redis.pttl(limit.storage_key)
    assert 0 < ttl_ms <= 2002


async def test_without_redis_the_local_limiter_decides_and_it_is_counted(own_redis: Handle) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=2)
    counted = REGISTRY.get_sample_value("ratelimit_fail_open_total") or 0
    async with client(own_redis.address, redis_timeout_s=0.05) as redis:
        checks = limiter(redis, fallback=LocalLimiter(), timeout_s=0.2)
        assert not (await checks.check([limit])).degraded
        await asyncio.to_thread(own_redis.kill)
        decisions = [await checks.check([limit]) for _ in range(3)]
    assert [d.allowed for d in decisions] == [True, True, False]
    assert all(d.degraded for d in decisions)
    assert REGISTRY.get_sample_value("ratelimit_fail_open_total") == counted + 3


async def test_a_silent_redis_opens_the_breaker_and_then_costs_nothing(own_redis: Handle) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=1000)
    breaker = Breaker("silent", calls_min=3, open_s=60)
    async with client(own_redis.address, redis_timeout_s=0.05) as redis:
        checks = limiter(redis, breaker=breaker, timeout_s=0.05)
        await checks.check([limit])
        await asyncio.to_thread(own_redis.pause)
        for _ in range(20):
            if breaker.state is BreakerState.OPEN:
                break
            await checks.check([limit])
        assert breaker.state is BreakerState.OPEN
        # None of these may wait for the paused server: together they would take 50 s.
        async with asyncio.timeout(10):
            for _ in range(1000):
                assert (await checks.check([limit])).degraded
        await asyncio.to_thread(own_redis.resume)


async def test_it_returns_to_redis_by_itself(own_redis: Handle) -> None:
    limit = Limit("tenant", "a", rate_per_s=SLOW, burst=1000)
    breaker = Breaker("returning", calls_min=1, open_s=0.05, open_max_s=0.05)
    async with client(own_redis.address, redis_timeout_s=1.0) as redis:
        checks = limiter(redis, breaker=breaker, timeout_s=1.0)
        await checks.check([limit])
        await asyncio.to_thread(own_redis.kill)
        assert (await checks.check([limit])).degraded
        await asyncio.to_thread(own_redis.start)

        async def by_redis() -> bool:
            return not (await checks.check([limit])).degraded

        returned: bool = await eventually(by_redis, timeout_s=20)
        assert returned


async def test_where_money_is_at_stake_it_can_fail_closed(own_redis: Handle) -> None:
    async with client(own_redis.address) as redis:
        await asyncio.to_thread(own_redis.kill)
        with pytest.raises(RateLimiterUnavailable):
            await limiter(redis, fail_open=False).check([Limit("tenant", "a", rate_per_s=1, burst=1)])
