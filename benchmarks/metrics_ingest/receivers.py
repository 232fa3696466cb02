"""Points a second of one core at each receiver, and at those of VictoriaMetrics and Prometheus (ADR-0017).

What counts is the CPU time of the process that receives: it stays the same when others take turns on the
core. What each leaves for later (flushes and merges of the stores, our writer) is measured apart.
"""

import time
from collections.abc import Mapping
from itertools import chain, islice

import numpy as np

from benchmarks._frame import Row, alternate, figure, less_is_better, more_is_better
from benchmarks.chassis.servers import running
from benchmarks.metrics_ingest import payloads
from benchmarks.metrics_ingest.payloads import Form
from benchmarks.metrics_ingest.sending import on_the_load_core, post, post_alone
from benchmarks.metrics_ingest.stack import (
    AUTHORIZED,
    PinnedPrometheus,
    Stack,
    cpu_s,
    running_stack,
)

ROUNDS = 3
WARM_UP_STEPS = 3
STEPS = 100
# Of what takes longer a point.
SLOW_STEPS = 4
# Of lone requests, which take a round trip each.
LONE_STEPS = 10
GOAL = 0.9
OURS, SILENT, VICTORIA, PROMETHEUS, NAIVE = "ours", "no broker", "VictoriaMetrics", "Prometheus", "naive"
_UNIT = "points/CPU s"
_LABELS = payloads.series(payloads.SERIES)
_SLOW = {
    "remote write 2.0": payloads.REMOTE_WRITE_2,
    "OTLP protobuf": payloads.OTLP_PROTOBUF,
    "OTLP JSON": payloads.OTLP_JSON,
    "Datadog series": payloads.DATADOG,
}
# What that version of VictoriaMetrics takes as well, by the path that it has for it.
_SHARED = {
    "Influx lines": (payloads.INFLUX, "/influx/write"),
    "exposition text": (payloads.EXPOSITION, "/api/v1/import/prometheus"),
}


class Rounds:
    """The requests of each round, the same for all who take turns; the first one is to warm up."""

    def __init__(
        self,
        form: Form,
        *,
        steps: int,
        a_request: int = payloads.SERIES_A_REQUEST,
        reordered: bool = False,
    ) -> None:
        self.form = form
        self._steps = steps
        first_ms = int(time.time() * 1000) - 1_800_000
        self._source = (
            payloads.reordered(form, _LABELS, first_ms)
            if reordered
            else payloads.bodies(form, _LABELS, first_ms, a_request=a_request)
        )
        self._number, self._requests = -1, list[bytes]()

    def requests(self, number: int) -> list[bytes]:
        if number > self._number:
            steps = self._steps if number else WARM_UP_STEPS
            self._requests = list(chain.from_iterable(islice(self._source, steps)))
            self._number = number
        return self._requests

    @property
    def points(self) -> int:
        """Of a round."""
        return self._steps * len(_LABELS)


class Way:
    """One receiver of the rounds: points a second of its CPU time; `broker_pid` is looked at besides."""

    def __init__(
        self,
        rounds: Rounds,
        pid: int,
        port: int,
        *,
        path: str = "",
        headers: Mapping[str, str] = AUTHORIZED,
        broker_pid: int | None = None,
    ) -> None:
        self._rounds = rounds
        self._pid, self._broker_pid = pid, broker_pid
        self._port, self._path = port, path or rounds.form.path
        self._headers = {**rounds.form.headers, **headers}
        self._number = 0
        self.broker_s, self.wall_s = list[float](), list[float]()
        self._post()

    def __call__(self) -> float:
        began, broker_began = cpu_s(self._pid), self._broker_cpu_s()
        self.wall_s.append(self._post())
        self.broker_s.append(self._broker_cpu_s() - broker_began)
        return self._rounds.points / (cpu_s(self._pid) - began)

    def lone_ms(self) -> list[float]:
        """Of each request of a round, one after the other."""
        requests = self._rounds.requests(self._number)
        self._number += 1
        return [value * 1000 for value in post_alone(self._port, self._path, self._headers, requests)]

    def _post(self) -> float:
        requests = self._rounds.requests(self._number)
        self._number += 1
        return post(self._port, self._path, self._headers, requests)

    def _broker_cpu_s(self) -> float:
        return 0.0 if self._broker_pid is None else cpu_s(self._broker_pid)


def measure_receivers() -> list[Row]:
    with running_stack() as stack, running(PinnedPrometheus) as prometheus, on_the_load_core():
        rows = _remote_write(stack, prometheus)
        rows += _reordered(stack)
        rows += _small_requests(stack)
        rows += _acknowledgement(stack)
        rows += _others(stack)
        return rows + _naive(stack)


def _remote_write(stack: Stack, prometheus: PinnedPrometheus) -> list[Row]:
    """The goal, the broker's part of it, and what answers as fast as it can without one."""
    rounds = Rounds(payloads.REMOTE_WRITE_1, steps=STEPS)
    with stack.receiver() as ours, stack.receiver("benchmarks.metrics_ingest.silent_app") as silent:
        own = Way(rounds, ours.pid, ours.port, broker_pid=stack.servers.kafka.pid)
        ways = {
            OURS: own,
            VICTORIA: Way(rounds, stack.victoria.pid, stack.victoria.port),
            PROMETHEUS: Way(rounds, prometheus.pid, prometheus.port),
            SILENT: Way(rounds, silent.pid, silent.port),
        }
        found = alternate(ways, rounds=ROUNDS)
        resident_mb = ours.resident_mb()
    broker_s = sum(own.broker_s) / (ROUNDS * rounds.points)
    with_broker = 1 / (1 / found[OURS] + broker_s)
    wall = ROUNDS * rounds.points / sum(own.wall_s)
    return [
        more_is_better(
            "remote write 1.0 / VictoriaMetrics' receiver",
            found[OURS],
            found[VICTORIA],
            unit=_UNIT,
            goal=GOAL,
        ),
        more_is_better("remote write 1.0 / Prometheus' receiver", found[OURS], found[PROMETHEUS], unit=_UNIT),
        more_is_better("remote write 1.0 / the same without sends", found[OURS], found[SILENT], unit=_UNIT),
        more_is_better(
            "remote write 1.0 with the broker's CPU / VictoriaMetrics",
            with_broker,
            found[VICTORIA],
            unit=_UNIT,
        ),
        figure("the broker's CPU a million points", broker_s * 1e6, unit="s"),
        figure("remote write 1.0, acknowledged on one core beside the broker's", wall, unit="points/s"),
        figure(f"resident with {payloads.SERIES:,} series known", resident_mb, unit="MB"),
    ]


def _reordered(stack: Stack) -> list[Row]:
    """A scrape after the other looks alike, and that is made use of: here it does not."""
    rounds = Rounds(payloads.REMOTE_WRITE_1, steps=STEPS // 2, reordered=True)
    with stack.receiver() as ours:
        victoria = stack.victoria
        ways = {OURS: Way(rounds, ours.pid, ours.port), VICTORIA: Way(rounds, victoria.pid, victoria.port)}
        found = alternate(ways, rounds=ROUNDS)
    name = "remote write 1.0, series in another order each time / VictoriaMetrics"
    return [more_is_better(name, found[OURS], found[VICTORIA], unit=_UNIT)]


def _small_requests(stack: Stack) -> list[Row]:
    """What a request costs shows where requests are small."""
    rounds = Rounds(payloads.REMOTE_WRITE_1, steps=STEPS // 2, a_request=payloads.SERIES_A_SMALL_REQUEST)
    with stack.receiver() as ours:
        victoria = stack.victoria
        ways = {OURS: Way(rounds, ours.pid, ours.port), VICTORIA: Way(rounds, victoria.pid, victoria.port)}
        found = alternate(ways, rounds=ROUNDS)
    name = f"remote write 1.0, {payloads.SERIES_A_SMALL_REQUEST} a request / VictoriaMetrics"
    return [more_is_better(name, found[OURS], found[VICTORIA], unit=_UNIT)]


def _acknowledgement(stack: Stack) -> list[Row]:
    """What a lone request waits for the broker's word."""
    rounds = Rounds(payloads.REMOTE_WRITE_1, steps=LONE_STEPS, a_request=payloads.SERIES_A_SMALL_REQUEST)
    silent_app = "benchmarks.metrics_ingest.silent_app"
    with stack.receiver() as ours, stack.receiver(silent_app) as silent:
        ways = [Way(rounds, ours.pid, ours.port), Way(rounds, silent.pid, silent.port)]
        took = np.array([way.lone_ms() for way in ways])
    p50, p99 = np.percentile(took, (50, 99), axis=1)
    name = f"a lone request of {payloads.SERIES_A_SMALL_REQUEST} series, acknowledged / without a broker"
    return [
        less_is_better(f"{name}, p50", p50[0], p50[1], unit="ms"),
        less_is_better(f"{name}, p99", p99[0], p99[1], unit="ms"),
    ]


def _others(stack: Stack) -> list[Row]:
    rows = []
    with stack.receiver() as ours:
        for name, form in _SLOW.items():
            rounds = Rounds(form, steps=STEPS // 4 if form is payloads.REMOTE_WRITE_2 else SLOW_STEPS)
            found = alternate({OURS: Way(rounds, ours.pid, ours.port)}, rounds=ROUNDS)
            rows.append(figure(name, found[OURS], unit=_UNIT))
        for name, (form, path) in _SHARED.items():
            rounds = Rounds(form, steps=SLOW_STEPS)
            victoria = stack.victoria
            ways = {
                OURS: Way(rounds, ours.pid, ours.port),
                VICTORIA: Way(rounds, victoria.pid, victoria.port, path=path),
            }
            found = alternate(ways, rounds=ROUNDS)
            rows.append(more_is_better(f"{name} / VictoriaMetrics", found[OURS], found[VICTORIA], unit=_UNIT))
    return rows


def _naive(stack: Stack) -> list[Row]:
    """JSON is what both take; remote write is what ours is made for."""
    rounds, fast = (
        Rounds(payloads.JSON_POINTS, steps=SLOW_STEPS),
        Rounds(payloads.REMOTE_WRITE_1, steps=STEPS),
    )
    with stack.receiver() as ours, stack.naive() as naive:
        ways = {
            OURS: Way(rounds, ours.pid, ours.port),
            NAIVE: Way(rounds, naive.pid, naive.port, headers={}),
            "remote write": Way(fast, ours.pid, ours.port),
        }
        found = alternate(ways, rounds=ROUNDS)
    usual = "FastAPI, pydantic, a message a point"
    return [
        more_is_better(f"JSON points / {usual}", found[OURS], found[NAIVE], unit=_UNIT),
        more_is_better(f"remote write 1.0 / {usual}", found["remote write"], found[NAIVE], unit=_UNIT),
    ]
