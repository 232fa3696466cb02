"""The open-model run: Locust users pull scheduled arrivals and start each one when it is due (ADR-0020)."""

import gc
import logging
import random
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar, Self

import gevent
from locust import User, constant, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import Runner

from loadtests.http import Http, Unexpected
from loadtests.recorder import Recorder
from loadtests.schedule import Arrival, Schedule
from loadtests.target import Target

TICK_S = 0.005
DRAIN_S_MAX = 15.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run."""

    recorder: Recorder
    wall_s: float
    generator_cpu_s: float
    locust_p99_ms: float


class OpenUser(User):
    """A worker of the pool, and the base of every scenario: methods named in `mix` are its operations."""

    abstract = True
    wait_time = constant(0)
    service: ClassVar[str]
    mix: ClassVar[Mapping[str, float]]
    # Arrivals per second unless the caller says otherwise, and where `make env` tells the address.
    rate_per_s: ClassVar[float] = 200.0
    url_variable: ClassVar[str] = "SHORTENER_URL"

    def __init__(self, environment: "OpenEnvironment") -> None:
        super().__init__(environment)
        self.plan = environment.plan
        self.http = Http(self.plan.target)
        self.random = random.Random(f"{self.plan.schedule.seed}:{next(self.plan.worker_numbers)}")  # noqa: S311

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        """What must exist before the first arrival; not part of the measurement."""

    @task
    def serve_next(self) -> None:
        arrival = self.plan.take()
        if arrival is None:
            raise StopUser
        self.plan.wait_until_due(arrival)
        self.plan.run_arrival(self, arrival)

    def on_stop(self) -> None:
        self.http.close()


class OpenEnvironment(Environment):
    """Locust's environment with the plan that its users pull from."""

    plan: "Plan"


class Plan:
    """Hands out arrivals in order of their due time; the first free worker takes the next one."""

    def __init__(self, schedule: Schedule, target: Target, recorder: Recorder) -> None:
        self.schedule = schedule
        self.target = target
        self.recorder = recorder
        self.worker_numbers = iter(range(1_000_000))
        self._arrivals = schedule.arrivals()
        self._in_flight: dict[int, Arrival] = {}
        self._started_at = 0.0

    def start(self) -> Self:
        """The schedule begins a moment later, so that every worker waits for its first arrival."""
        self._started_at = perf_counter() + 0.5
        return self

    def now_s(self) -> float:
        return perf_counter() - self._started_at

    def take(self) -> Arrival | None:
        return next(self._arrivals, None)

    def wait_until_due(self, arrival: Arrival) -> None:
        ahead_s = arrival.due_s - self.now_s()
        if ahead_s > 0:
            gevent.sleep(ahead_s)
            self.recorder.record_lag(self.now_s() - arrival.due_s)
        else:
            self.recorder.record_late_start(due_s=arrival.due_s, started_s=self.now_s())

    def run_arrival(self, user: OpenUser, arrival: Arrival) -> None:
        self._in_flight[arrival.number] = arrival
        started_s = self.now_s()
        error: str | None = None
        try:
            getattr(user, arrival.operation)()
        except Unexpected as unexpected:
            error = str(unexpected)
        ended_s = self.now_s()
        del self._in_flight[arrival.number]
        self.recorder.record(
            arrival.operation, due_s=arrival.due_s, started_s=started_s, ended_s=ended_s, error=error
        )
        user.environment.stats.log_request("open", arrival.operation, (ended_s - started_s) * 1000, 0)

    def abandon(self) -> None:
        """What the drain time did not finish, and what never started, is counted with its wait so far."""
        now_s = self.now_s()
        for arrival in [*self._in_flight.values(), *self._arrivals]:
            self.recorder.record_unfinished(arrival.operation, due_s=arrival.due_s, now_s=now_s)


def run(
    scenario: type[OpenUser], schedule: Schedule, target: Target, *, workers: int, warmup_s: float
) -> Outcome:
    """Blocks until every arrival was answered, or the drain time after the schedule's end is over."""
    recorder = Recorder(duration_s=schedule.duration_s, warmup_s=warmup_s)
    plan = Plan(schedule, target, recorder)
    logging.getLogger("locust").setLevel(logging.ERROR)
    environment = OpenEnvironment(user_classes=[scenario], host=target.url, catch_exceptions=False)
    environment.plan = plan
    runner = environment.create_local_runner()
    # A collection that walks the prepared objects would stall the generator: they are moved out of its sight.
    gc.collect()
    gc.freeze()
    cpu_before_s = _cpu_s()
    plan.start()
    ticker = gevent.spawn(_watch_own_lag, recorder)
    runner.start(workers, spawn_rate=workers)
    _wait_for_end(runner, plan)
    wall_s = plan.now_s()
    plan.abandon()
    ticker.kill()
    runner.quit()
    locust_p99_ms = environment.stats.total.get_response_time_percentile(0.99)
    return Outcome(recorder, wall_s, _cpu_s() - cpu_before_s, float(locust_p99_ms or 0.0))


def _wait_for_end(runner: Runner, plan: Plan) -> None:
    deadline_s = plan.schedule.duration_s + DRAIN_S_MAX
    while plan.now_s() < deadline_s:
        gevent.sleep(0.1)
        if plan.now_s() > plan.schedule.duration_s and runner.user_count == 0:
            return


def _watch_own_lag(recorder: Recorder) -> None:
    """A timer of its own: when every worker is busy no arrival shows that the loop itself is late."""
    while True:
        due_at = perf_counter() + TICK_S
        gevent.sleep(TICK_S)
        recorder.record_lag(perf_counter() - due_at)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
