"""Limits shared by all processes, in Redis: one script, and many checks in one call."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, replace

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from chassis.logs import get_logger
from chassis.metrics import counter
from chassis.problems import Problem
from chassis.ratelimit.limits import Decision, Limit, decide, refuse_the_impossible
from chassis.ratelimit.local import LocalLimiter
from chassis.resilience import Breaker
from chassis.settings import ChassisSettings

_log = get_logger(__name__)
_DECISIONS = counter("ratelimit_decisions_total", "Requests weighed, by outcome.", ("limiter", "decision"))
_FAIL_OPEN = counter("ratelimit_fail_open_total", "Decisions taken without Redis.")
_GRACE_TURNS = 5

# State is one number a limit: the theoretical arrival time in microseconds of Redis' own clock, so that the
# clocks of the workers do not matter. ARGV holds one check after another: number of limits, cost, and for
# each limit its interval and burst. A check writes nothing unless all of its limits agree.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer, key, arg = {}, 1, 1
while arg <= #ARGV do
  local limits, cost = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
  local allowed, tats, news, intervals, bursts = 1, {}, {}, {}, {}
  for i = 1, limits do
    intervals[i], bursts[i] = tonumber(ARGV[arg + 2 * i]), tonumber(ARGV[arg + 2 * i + 1])
    tats[i] = math.max(tonumber(redis.call('GET', KEYS[key + i - 1]) or 0), now)
    news[i] = tats[i] + cost * intervals[i]
    if news[i] - now > bursts[i] * intervals[i] then allowed = 0 end
  end
  answer[#answer + 1] = allowed
  for i = 1, limits do
    local tat, whole = tats[i], bursts[i] * intervals[i]
    if allowed == 1 then
      tat = news[i]
      local ttl = math.ceil((tat - now) / 1000) + 1
      redis.call('SET', KEYS[key + i - 1], string.format('%.0f', tat), 'PX', ttl)
    end
    answer[#answer + 1] = math.floor((whole - (tat - now)) / intervals[i])
    answer[#answer + 1] = math.max(0, math.ceil(news[i] - now - whole))
    answer[#answer + 1] = math.ceil(tat - now)
  end
  key, arg = key + limits, arg + 2 + 2 * limits
end
return answer
"""
_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RateLimiterUnavailable(Problem):
    status, code, title = 503, "rate_limiter_unavailable", "Limits cannot be checked just now"


def connect(settings: ChassisSettings) -> Redis:
    """A client for calls that would rather fail than wait: no retries, no wait above `redis_timeout_s`.

    Reading may take four times as long: whoever calls sets the shorter bound.
    """
    password = settings.redis_password
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        password=password.get_secret_value() if password is not None else None,
        max_connections=settings.redis_connections_max,
        timeout=settings.redis_timeout_s,
        socket_timeout=4 * settings.redis_timeout_s,
        socket_connect_timeout=settings.redis_timeout_s,
        # from_url() would set none, Redis() ten: say it.
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


@dataclass(slots=True, eq=False)
class _Check:
    limits: Sequence[Limit]
    cost: int
    answer: "asyncio.Future[list[int] | None]"


class RateLimiter:
    """Limits shared by all processes: a request's limits are weighed together, and take all or nothing.

    Checks that come while a call is under way go together in the next one, so a burst costs few calls and no
    pool of connections. Without Redis it asks `fallback`, or allows when there is none; with
    `fail_open=False` it raises RateLimiterUnavailable. A breaker keeps a dead Redis from costing every
    request its timeout. In a Redis Cluster set `batch_max=1`, and let the keys of one check share a hash tag.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        name: str = "api",
        fallback: LocalLimiter | None = None,
        fail_open: bool = True,
        timeout_s: float = 0.05,
        batch_max: int = 128,
        queue_max: int = 16_384,
        breaker: Breaker | None = None,
    ) -> None:
        self._redis = redis
        self._fallback = fallback
        self._fail_open = fail_open
        self._timeout_s = timeout_s
        self._batch_max, self._queue_max = batch_max, queue_max
        self._breaker = breaker or Breaker(f"ratelimit-{name}", calls_min=3, open_s=0.5, open_max_s=5.0)
        self._queue: deque[_Check] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._allowed, self._refused = _DECISIONS.labels(name, "allowed"), _DECISIONS.labels(name, "refused")

    async def check(self, limits: Sequence[Limit], cost: int = 1) -> Decision:
        """Raises ValueError when `cost` is above a limit's burst: it could never pass."""
        refuse_the_impossible(limits, cost)
        answer = await self._ask(limits, cost)
        decision = decide(limits, answer) if answer is not None else self._without_redis(limits, cost)
        (self._allowed if decision.allowed else self._refused).inc()
        return decision

    async def _ask(self, limits: Sequence[Limit], cost: int) -> list[int] | None:
        if len(self._queue) >= self._queue_max:
            return None
        check = _Check(limits, cost, asyncio.get_running_loop().create_future())
        self._queue.append(check)
        if self._sender is None or self._sender.done():
            # It serves many requests: the deadline and the trace of this one are none of its business.
            self._sender = asyncio.create_task(self._send(), context=Context())
        return await check.answer

    async def _send(self) -> None:
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(self._batch_max, len(self._queue)))]
            answers = await self._call(batch)
            for check in batch:
                width = 1 + 3 * len(check.limits)
                answer = None if answers is None else [next(answers) for _ in range(width)]
                if not check.answer.done():
                    check.answer.set_result(answer)

    async def _call(self, batch: list[_Check]) -> Iterator[int] | None:
        """The numbers of all answers in a row; none when Redis gave none."""
        if not self._breaker.allow():
            return None
        call = asyncio.ensure_future(self._evaluate(batch))
        await asyncio.wait({call}, timeout=self._timeout_s)
        for _ in range(_GRACE_TURNS):
            if not call.done():
                # Was the loop late, and not Redis? Then the answer is there and needs these turns to arrive.
                await asyncio.sleep(0)
        if not call.done():
            call.cancel()
        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        if isinstance(outcome, BaseException):
            self._note_failure(outcome)
            return None
        self._breaker.record(ok=True)
        return map(int, outcome)

    def _note_failure(self, error: BaseException) -> None:
        """One line when the breaker opens, not one for every request that finds Redis gone."""
        before = self._breaker.state
        self._breaker.record(ok=False)
        if self._breaker.state is not before:
            _log.warning("ratelimit.redis_left", error=type(error).__name__)

    async def _evaluate(self, batch: list[_Check]) -> list[int]:
        keys: list[str] = []
        numbers: list[int] = []
        for check in batch:
            numbers += (len(check.limits), check.cost)
            for limit in check.limits:
                keys.append(limit.storage_key)
                numbers += (limit.interval_us, limit.burst)
        try:
            answer = await self._redis.evalsha(_SCRIPT_SHA, len(keys), *keys, *numbers)
        except NoScriptError:
            answer = await self._redis.eval(_SCRIPT, len(keys), *keys, *numbers)
        return list(answer)

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
