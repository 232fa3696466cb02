"""The shortener against a bare callable, the usual template and its own limits, on one pinned worker."""

from collections.abc import Callable, Sequence

from benchmarks import _openloop
from benchmarks._frame import Row, alternate, at_most, figure, more_is_better
from benchmarks._processes import Process, load_core
from benchmarks.shortener.creates import measure_creates
from benchmarks.shortener.memory import measure_memory
from benchmarks.shortener.stack import Stack, create_links, running_stack
from benchmarks.shortener.visits import visit_all
from loadtests.wrk import run_wrk

ROUND_S = 2.0
ROUNDS = 3
CONNECTIONS = 64
# So small that practically every request has to ask Redis.
WITHOUT_L1 = {"L1_ENTRIES_MAX": "1"}
DEGRADED_S = 5.0
HELD_S = 2.5
HELD_STEPS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
TAIL_MS_MAX = 50.0


def measure_redirects() -> list[Row]:
    """Throughput side by side, then the tail at 60 % of it."""
    with (
        running_stack() as stack,
        stack.bare() as bare,
        stack.shortener() as cached,
        stack.shortener(**WITHOUT_L1) as uncached,
        stack.trace_sink() as sink,
        stack.template(sink.url) as template,
    ):
        slugs = create_links(stack, cached.url)
        paths = [f"/{slug}" for slug in slugs]
        for process in (cached, uncached, template):
            visit_all(process.url, slugs)
        rates = alternate(
            {
                "bare": lambda: throughput(bare, paths),
                "l1": lambda: throughput(cached, paths),
                "redis": lambda: throughput(uncached, paths),
                "template": lambda: throughput(template, paths, strict=False),
            },
            rounds=ROUNDS,
        )
        tails = [
            _tail("from L1", cached, paths, rates["l1"]),
            _tail("from Redis", uncached, paths, rates["redis"]),
        ]
    return [
        more_is_better(
            "redirect from L1 / bare ASGI callable", rates["l1"], rates["bare"], unit="1/s", goal=0.6
        ),
        more_is_better(
            "redirect from Redis / bare callable", rates["redis"], rates["bare"], unit="1/s", goal=0.45
        ),
        more_is_better(
            "redirect from L1 / usual template", rates["l1"], rates["template"], unit="1/s", goal=15.0
        ),
        *tails,
    ]


def throughput(
    process: Process, paths: Sequence[str], *, seconds: float = ROUND_S, strict: bool = True
) -> float:
    """Answers per second, closed loop; when strict, any answer but a redirect makes the run void.

    Errors of the template are let count for it: under this load it has some.
    """
    result = run_wrk(process.url, paths, duration_s=seconds, connections=CONNECTIONS, pin_core=load_core())
    if strict and result.errors:
        raise RuntimeError(f"{result.errors} answers were no redirects:\n{process.log.read_text()[-600:]}")
    return result.per_s


def _tail(name: str, process: Process, paths: Sequence[str], capacity_per_s: float) -> Row:
    plan = _openloop.Plan(_port(process), paths, capacity_per_s * 0.6, duration_s=4.0)
    result = _openloop.run(plan)
    label = f"p99 {name} at 60 % load ({plan.rate_per_s:,.0f}/s, generator lag {result.lag_p99_ms:.1f})"
    return figure(label, result.p99_ms, unit="ms")


def measure_degradation() -> list[Row]:
    """Redis dies under 80 % of the load that the worker held with it."""
    with running_stack() as stack:
        rows = _degrade(stack, "Redis killed", stack.redis.kill, {})
        stack.redis.start()
        rows += _degrade(stack, "Redis silent", stack.redis.pause, {})
        stack.redis.resume()
        # The worst that could be made up: every request asks Postgres. Its tail is a figure, no goal.
        tail, failed = _degrade(stack, "Redis killed, nothing in L1", stack.redis.kill, WITHOUT_L1)
        stack.redis.start()
    return [*rows, figure(tail.name, tail.ours, unit=tail.unit), failed]


def _degrade(stack: Stack, name: str, break_redis: Callable[[], None], settings: dict[str, str]) -> list[Row]:
    with stack.shortener(**settings) as worker:
        slugs = create_links(stack, worker.url)
        paths = [f"/{slug}" for slug in slugs]
        visit_all(worker.url, slugs)
        held_per_s = _held(worker, paths)
        break_redis()
        result = _openloop.run(
            _openloop.Plan(_port(worker), paths, held_per_s * 0.8, duration_s=DEGRADED_S, from_s=0.0)
        )
    failed = result.server_errors + result.dropped
    label = f"{name}: p99 at {held_per_s * 0.8:,.0f}/s of {held_per_s:,.0f} held, lag {result.lag_p99_ms:.1f}"
    return [
        at_most(label, result.p99_ms, TAIL_MS_MAX, unit="ms"),
        at_most(f"{name}: failed requests", failed + 1, 1, unit="requests + 1"),
    ]


def _held(worker: Process, paths: Sequence[str]) -> float:
    """Requests/s that the worker holds: the highest step of an open schedule whose p99 keeps the limit."""
    capacity_per_s = throughput(worker, paths)
    for share in HELD_STEPS:
        plan = _openloop.Plan(_port(worker), paths, capacity_per_s * share, duration_s=HELD_S, from_s=0.5)
        if _openloop.run(plan).p99_ms <= TAIL_MS_MAX:
            return plan.rate_per_s
    raise RuntimeError(f"no step of {HELD_STEPS} of {capacity_per_s:,.0f}/s was held: the machine is busy")


def _port(process: Process) -> int:
    return int(process.url.rpartition(":")[2])


PARTS: dict[str, Callable[[], list[Row]]] = {
    "redirects": measure_redirects,
    "degradation": measure_degradation,
    "creates": measure_creates,
    "memory": measure_memory,
}
