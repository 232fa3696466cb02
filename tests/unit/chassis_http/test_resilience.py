"""Deadlines, retries, breakers, bulkheads: what they let through and what they refuse."""

import asyncio

import pytest
from chassis.problems import DeadlineExceeded
from chassis.resilience import (
    AdaptiveLimit,
    Breaker,
    BreakerOpenError,
    BreakerState,
    Bulkhead,
    BulkheadFullError,
    Deadline,
    DeadlineMiddleware,
    RetryBudget,
    deadline,
    retry,
    time_left,
)
from starlette.types import Receive, Scope, Send

from tests.unit.chassis_http.support import Clock, ask


async def answer_ok(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


# --- Deadline


def test_a_timeout_is_never_longer_than_the_deadline_leaves() -> None:
    assert time_left(5.0) == 5.0
    with Deadline.after(1.0).use():
        assert 0 < time_left(5.0) <= 1.0
        assert time_left(0.1) == 0.1
    with Deadline.after(-1.0).use(), pytest.raises(DeadlineExceeded):
        time_left(5.0)


def test_an_inner_deadline_cannot_outlive_the_outer_one() -> None:
    with Deadline.after(1.0).use(), Deadline.after(60.0).use() as inner:
        assert inner.remaining() <= 1.0


def test_it_travels_as_milliseconds_left() -> None:
    assert deadline.headers() == {}
    with Deadline.after(2.0).use():
        assert 1900 <= int(deadline.headers()["X-Request-Deadline-Ms"]) <= 2000


async def test_the_callers_deadline_holds_and_ours_is_the_longest() -> None:
    seen: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(time_left(1000))
        await answer_ok(scope, receive, send)

    edge = DeadlineMiddleware(app, timeout_s=10)
    for given in ("2000", "99999", "nonsense", "-5", ""):
        await ask(edge, headers={"X-Request-Deadline-Ms": given})
    assert seen[0] <= 2
    assert all(9 < left <= 10 for left in seen[1:])


async def test_a_request_past_its_deadline_is_cancelled_and_answered_504() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(60)

    answer = await ask(DeadlineMiddleware(app, timeout_s=10), headers={"X-Request-Deadline-Ms": "10"})
    assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")


async def test_a_stream_that_has_begun_may_outlast_the_deadline() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"late"})

    answer = await ask(DeadlineMiddleware(app, timeout_s=0.01))
    assert (answer.status, answer.body) == (200, b"late")


async def test_a_timeout_of_the_app_itself_is_not_taken_for_the_deadline() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await ask(DeadlineMiddleware(app, timeout_s=10))


# --- Retry


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError(self.calls)
        return "done"


async def attempt(flaky: Flaky, budget: RetryBudget, *, attempts: int = 3) -> str:
    return await retry(
        flaky,
        name="unit",
        on=(ConnectionError,),
        budget=budget,
        attempts=attempts,
        base_s=0.0001,
        cap_s=0.001,
    )


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    flaky = Flaky(2)
    assert await attempt(flaky, RetryBudget()) == "done"
    assert flaky.calls == 3


async def test_the_last_error_comes_out_as_it_is() -> None:
    with pytest.raises(ConnectionError, match="3"):
        await attempt(Flaky(9), RetryBudget())


async def test_an_error_that_is_not_listed_is_not_repeated() -> None:
    calls = 0

    async def wrong() -> None:
        nonlocal calls
        calls += 1
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await retry(wrong, name="unit", on=(ConnectionError,), budget=RetryBudget())
    assert calls == 1


async def test_when_everything_fails_the_budget_keeps_retries_to_a_tenth() -> None:
    budget = RetryBudget(ratio=0.1, burst=10, clock=Clock())
    calls = 0
    for _ in range(1000):
        flaky = Flaky(9)
        with pytest.raises(ConnectionError):
            await attempt(flaky, budget)
        calls += flaky.calls
    assert 1000 < calls <= 1000 + 100 + 10


async def test_no_retry_is_begun_that_the_deadline_would_cut_off() -> None:
    flaky = Flaky(9)
    with Deadline.after(0).use(), pytest.raises(ConnectionError):
        await attempt(flaky, RetryBudget())
    assert flaky.calls == 1


def test_a_quiet_client_regains_its_budget_with_time() -> None:
    clock = Clock()
    budget = RetryBudget(burst=1, floor_per_s=0.5, clock=clock)
    assert budget.withdraw()
    assert not budget.withdraw()
    clock.now_s += 2
    assert budget.withdraw()


# --- Breaker


def breaker(clock: Clock, **options: float) -> Breaker:
    chosen = {"calls_min": 4, "window_s": 10, "open_s": 1, "open_max_s": 4, **options}
    return Breaker("unit", clock=clock, **chosen)  # type: ignore[arg-type]


def state_of(subject: Breaker) -> BreakerState:
    return subject.state


def fail(subject: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(OSError, match=r"^$"), subject.guard():
            raise OSError


def test_it_opens_on_a_ratio_of_failures_and_refuses_at_once() -> None:
    subject = breaker(Clock())
    for _ in range(2):
        with subject.guard():
            pass
    fail(subject, 1)
    assert state_of(subject) is BreakerState.CLOSED
    fail(subject, 1)
    assert state_of(subject) is BreakerState.OPEN
    with pytest.raises(BreakerOpenError) as refused, subject.guard():
        pytest.fail("the call was made")
    assert refused.value.retry_after_s == 1


def test_failures_of_long_ago_are_forgotten() -> None:
    clock = Clock()
    subject = breaker(clock)
    fail(subject, 3)
    clock.now_s += 11
    fail(subject, 3)
    assert state_of(subject) is BreakerState.CLOSED


def test_one_probe_decides_after_the_pause() -> None:
    clock = Clock()
    subject = breaker(clock)
    fail(subject, 4)
    clock.now_s += 1
    assert subject.allow()
    assert state_of(subject) is BreakerState.HALF_OPEN
    assert not subject.allow()
    subject.record(ok=True)
    assert state_of(subject) is BreakerState.CLOSED


def test_each_failed_probe_doubles_the_pause_up_to_its_maximum() -> None:
    clock = Clock()
    subject = breaker(clock)
    fail(subject, 4)
    for pause_s in (1, 2, 4, 4):
        clock.now_s += pause_s - 0.01
        assert not subject.allow()
        clock.now_s += 0.01
        fail(subject, 1)
    assert state_of(subject) is BreakerState.OPEN


async def test_a_cancelled_probe_is_no_verdict() -> None:
    clock = Clock()
    subject = breaker(clock)
    fail(subject, 4)
    clock.now_s += 1
    probe = asyncio.create_task(subject.call(lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert await subject.call(lambda: asyncio.sleep(0, "ok")) == "ok"
    assert state_of(subject) is BreakerState.CLOSED


def test_an_answer_that_says_no_is_still_an_answer() -> None:
    subject = breaker(Clock())
    for _ in range(10):
        with pytest.raises(LookupError), subject.guard():
            raise LookupError
    assert state_of(subject) is BreakerState.CLOSED


# --- Bulkhead


async def hold(bulkhead: Bulkhead, until: asyncio.Event) -> str:
    async with bulkhead.slot():
        await until.wait()
    return "done"


async def test_a_full_bulkhead_without_a_queue_refuses_at_once() -> None:
    bulkhead, leave = Bulkhead("unit", calls_max=2), asyncio.Event()
    inside = [asyncio.create_task(hold(bulkhead, leave)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFullError):
        await hold(bulkhead, leave)
    leave.set()
    assert await asyncio.gather(*inside) == ["done", "done"]
    assert await hold(bulkhead, leave) == "done"


async def test_the_queue_is_bounded_in_length_and_time() -> None:
    bulkhead, leave = Bulkhead("unit", calls_max=1, queue_max=1, queue_timeout_s=0.02), asyncio.Event()
    inside = asyncio.create_task(hold(bulkhead, leave))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(hold(bulkhead, leave))
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFullError):
        await hold(bulkhead, leave)
    with pytest.raises(BulkheadFullError):
        await waiting
    leave.set()
    await inside
    assert await hold(bulkhead, leave) == "done"


async def test_a_waiter_that_is_cancelled_takes_no_slot_with_it() -> None:
    bulkhead, leave = Bulkhead("unit", calls_max=1, queue_max=5), asyncio.Event()
    inside = asyncio.create_task(hold(bulkhead, leave))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(hold(bulkhead, leave)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    leave.set()
    assert await asyncio.gather(inside, *waiting[1:]) == ["done"] * 3


# --- Adaptive limit


def settle(limit: AdaptiveLimit, clock: Clock, latency_s: float, *, windows: int) -> None:
    for _ in range(windows):
        for _ in range(20):
            limit.observe(latency_s, inflight=limit.limit)
        clock.now_s += 1
        limit.observe(latency_s, inflight=limit.limit)


def test_the_limit_falls_while_latency_grows_and_comes_back() -> None:
    clock = Clock()
    limit = AdaptiveLimit("unit", limit_min=4, limit_max=100, clock=clock)
    settle(limit, clock, 0.01, windows=5)
    assert limit.limit == 100
    settle(limit, clock, 0.2, windows=10)
    low = limit.limit
    assert 4 <= low < 60
    settle(limit, clock, 0.01, windows=30)
    assert limit.limit == 100


def test_an_idle_service_keeps_its_limit() -> None:
    clock = Clock()
    limit = AdaptiveLimit("unit", limit_min=4, limit_max=100, clock=clock)
    for latency_s in (0.01, 0.5, 0.5, 0.5):
        for _ in range(20):
            limit.observe(latency_s, inflight=1)
        clock.now_s += 1
    assert limit.limit == 100
