"""Rate limits: GCRA over several limits at once, shared through Redis, in the process when Redis is away."""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from chassis.logs import get_logger
from chassis.metrics import counter
from chassis.problems import Problem
from chassis.resilience import Breaker
from chassis.settings import ChassisSettings

_log = get_logger(__name__)
_DECISIONS = counter("ratelimit_decisions_total", "Requests weighed by a limiter.", ("limiter", "decision"))
_FAIL_OPEN = counter("ratelimit_fail_open_total", "Decisions taken without Redis.")

# A reset on an idle connection can surface as any of the last three under uvloop, depending on the Python.
REDIS_ERRORS = (RedisError, OSError, TimeoutError, RuntimeError, TypeError, AttributeError)

# State is one number a limit: the theoretical arrival time in microseconds of Redis' own clock, so that the
# clocks of the workers do not matter. Nothing is written unless every limit agrees.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local allowed = 1
local tats, news = {}, {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = math.max(tonumber(redis.call('GET', key) or 0), now)
  tats[i], news[i] = tat, tat + cost * interval
  if news[i] - now > burst * interval then allowed = 0 end
end
local answer = {allowed}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local tat = tats[i]
  if allowed == 1 then
    tat = news[i]
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
  end
  answer[#answer + 1] = math.floor((burst * interval - (tat - now)) / interval)
  answer[#answer + 1] = math.max(0, math.ceil(news[i] - now - burst * interval))
  answer[#answer + 1] = math.ceil(tat - now)
end
return answer
"""
_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` at once, then `rate_per_s`; `name` is public (a header says it), `key` says whose it is."""

    name: str
    key: str
    rate_per_s: float
    burst: int

    def __post_init__(self) -> None:
        if self.rate_per_s <= 0 or self.burst < 1:
            raise ValueError(f"limit {self.name}: rate and burst must be positive")

    @property
    def interval_us(self) -> int:
        """Between two requests at the full rate; rounded up, so never more than the rate is let through."""
        return math.ceil(1_000_000 / self.rate_per_s)

    @property
    def window_s(self) -> int:
        """After which a burst may be had again."""
        return max(1, math.ceil(self.burst * self.interval_us / 1_000_000))

    @property
    def storage_key(self) -> str:
        return f"ratelimit:{self.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class Decision:
    """`limit` is the one that refused, else the one with the least left; `limits` are all that were asked."""

    allowed: bool
    limit: Limit
    remaining: int
    retry_after_s: float
    reset_s: float
    limits: tuple[Limit, ...]
    degraded: bool = False


class RateLimiterUnavailable(Problem):
    status, code, title = 503, "rate_limiter_unavailable", "Limits cannot be checked just now"


def headers(decision: Decision) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10, and Retry-After on a refusal."""
    policies = ", ".join(f'"{limit.name}";q={limit.burst};w={limit.window_s}' for limit in decision.limits)
    fields = {
        "RateLimit-Policy": policies,
        "RateLimit": f'"{decision.limit.name}";r={decision.remaining};t={math.ceil(decision.reset_s)}',
    }
    if not decision.allowed:
        fields["Retry-After"] = str(max(1, math.ceil(decision.retry_after_s)))
    return fields


class LocalLimiter:
    """GCRA in this process alone, over the last `size_max` keys; `share` is its part of each limit."""

    def __init__(
        self,
        *,
        size_max: int = 10_000,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size_max = size_max
        self._share = share
        self._clock = clock
        self._tats: OrderedDict[str, float] = OrderedDict()

    def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        """All limits or none, like the script in Redis."""
        _refuse_the_impossible(limits, cost)
        now = self._clock() * 1_000_000
        states = [self._state(limit, cost, now) for limit in limits]
        allowed = all(over <= 0 for _, _, over, _ in states)
        answer = [int(allowed)]
        for limit, (tat, new, over, interval) in zip(limits, states, strict=True):
            at = new if allowed else tat
            if allowed:
                self._remember(limit.storage_key, new)
            answer += [
                math.floor(self._burst(limit) - (at - now) / interval),
                max(0, math.ceil(over)),
                math.ceil(at - now),
            ]
        return _decision(limits, answer)

    def _burst(self, limit: Limit) -> int:
        return max(1, math.floor(limit.burst * self._share))

    def _state(self, limit: Limit, cost: int, now: float) -> tuple[float, float, float, float]:
        interval = limit.interval_us / self._share
        tat = max(self._tats.get(limit.storage_key, 0.0), now)
        new = tat + cost * interval
        return tat, new, new - now - self._burst(limit) * interval, interval

    def _remember(self, key: str, tat: float) -> None:
        self._tats[key] = tat
        self._tats.move_to_end(key)
        if len(self._tats) > self._size_max:
            self._tats.popitem(last=False)


def connect(settings: ChassisSettings) -> Redis:
    """A client for calls that would rather fail than wait: no retries, `redis_timeout_s` for each step."""
    password = settings.redis_password
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        password=password.get_secret_value() if password is not None else None,
        max_connections=settings.redis_connections_max,
        timeout=settings.redis_timeout_s,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        # from_url() would set none, Redis() ten: say it.
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


class RateLimiter:
    """Limits shared by all processes: one script call weighs all limits of a request, and takes all or none.

    Without Redis it asks `fallback`, or allows when there is none; with `fail_open=False` it raises
    RateLimiterUnavailable. A breaker keeps a dead Redis from costing every request its timeout. In a Redis
    Cluster the keys of one check must share a hash tag.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        name: str = "api",
        fallback: LocalLimiter | None = None,
        fail_open: bool = True,
        timeout_s: float = 0.05,
        breaker: Breaker | None = None,
    ) -> None:
        self._redis = redis
        self._fallback = fallback
        self._fail_open = fail_open
        self._timeout_s = timeout_s
        self._breaker = breaker or Breaker(f"ratelimit-{name}", calls_min=3, open_s=0.5, open_max_s=5.0)
        self._allowed, self._refused = _DECISIONS.labels(name, "allowed"), _DECISIONS.labels(name, "refused")

    async def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        """Raises ValueError when `cost` is above a limit's burst: it could never pass."""
        _refuse_the_impossible(limits, cost)
        answer = await self._ask(limits, cost)
        decision = _decision(limits, answer) if answer is not None else self._without_redis(limits, cost)
        (self._allowed if decision.allowed else self._refused).inc()
        return decision

    async def _ask(self, limits: Sequence[Limit], cost: int) -> list[int] | None:
        if not self._breaker.allow():
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._evaluate(limits, cost)
        except REDIS_ERRORS as error:
            self._note_failure(error)
            return None
        except asyncio.CancelledError:
            self._breaker.forget()
            raise
        self._breaker.record(ok=True)
        return answer

    def _note_failure(self, error: BaseException) -> None:
        """One line when the breaker opens, not one for every request that finds Redis gone."""
        before = self._breaker.state
        self._breaker.record(ok=False)
        if self._breaker.state is not before:
            _log.warning("ratelimit.redis_left", error=type(error).__name__)

    async def _evaluate(self, limits: Sequence[Limit], cost: int) -> list[int]:
        keys = [limit.storage_key for limit in limits]
        numbers = [number for limit in limits for number in (limit.interval_us, limit.burst)]
        try:
            answer = await self._redis.evalsha(_SCRIPT_SHA, len(keys), *keys, cost, *numbers)
        except NoScriptError:
            answer = await self._redis.eval(_SCRIPT, len(keys), *keys, cost, *numbers)
        return [int(number) for number in answer]

    def _without_redis(self, limits: Sequence[Limit], cost: int) -> Decision:
        if not self._fail_open:
            raise RateLimiterUnavailable(headers={"Retry-After": "1"})
        _FAIL_OPEN.inc()
        if self._fallback is not None:
            return replace(self._fallback.check(limits, cost), degraded=True)
        limit = limits[0]
        return Decision(
            allowed=True,
            limit=limit,
            remaining=limit.burst,
            retry_after_s=0.0,
            reset_s=0.0,
            limits=tuple(limits),
            degraded=True,
        )


def _refuse_the_impossible(limits: Sequence[Limit], cost: int) -> None:
    if not limits or cost < 1:
        raise ValueError("give at least one limit and a positive cost")
    if any(cost > limit.burst for limit in limits):
        raise ValueError("the cost is above a limit's burst")


def _decision(limits: Sequence[Limit], answer: Sequence[int]) -> Decision:
    """From `[allowed, (remaining, retry us, reset us) per limit...]`."""
    left, waits, resets = answer[1::3], answer[2::3], answer[3::3]
    if answer[0]:
        binding = min(range(len(limits)), key=lambda i: left[i] / limits[i].burst)
    else:
        binding = max(range(len(limits)), key=lambda i: waits[i])
    return Decision(
        allowed=bool(answer[0]),
        limit=limits[binding],
        remaining=max(0, left[binding]),
        retry_after_s=waits[binding] / 1_000_000,
        reset_s=resets[binding] / 1_000_000,
        limits=tuple(limits),
    )
