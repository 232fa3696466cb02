"""Runs one load scenario: `python -m loadtests.run --service shortener --url http://127.0.0.1:8010`.

Exit status: 0 all limits held, 1 a limit is broken, 2 refused to run, 3 the generator was saturated.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

# libev's select backend wakes timers to the microsecond, its epoll backend to the next millisecond.
os.environ.setdefault("GEVENT_BACKEND", "select")

from loadtests import results
from loadtests.harness import OpenUser, Outcome, run
from loadtests.http import Unexpected
from loadtests.metrics import MetricsUser
from loadtests.mixed import MixedUser
from loadtests.orders import OrdersUser
from loadtests.payments import PaymentsUser
from loadtests.probe import ProbeUser
from loadtests.report import render
from loadtests.schedule import Schedule, ScheduleError
from loadtests.shortener import ShortenerUser
from loadtests.summary import LAG_P99_MS_MAX, summarise
from loadtests.target import Target, TargetRefused, parse_target
from loadtests.thresholds import Limits, ThresholdsError, check, load_limits
from loadtests.wrk import WHY, WrkError, run_wrk

USERS: tuple[type[OpenUser], ...] = (
    *(ShortenerUser, PaymentsUser, OrdersUser, MetricsUser),
    *(MixedUser, ProbeUser),
)
SCENARIOS = {user.service: user for user in USERS}
HERE = Path(__file__).parent
WORKERS_MAX = 1000
HELD, BROKEN, REFUSED, SATURATED = range(4)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.run", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--service", choices=sorted(SCENARIOS), default="shortener")
    parser.add_argument("--url", help="base address, loopback only; else what `make env` says")
    # `make load RATE=500 DURATION=30` hands these down as variables of the environment.
    rate, duration = os.environ.get("RATE") or None, os.environ.get("DURATION") or "20"
    parser.add_argument("--rate", type=float, default=rate, help="arrivals per second; else the scenario's")
    parser.add_argument("--duration", type=float, default=duration, help="seconds, warm-up included")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds at the start that do not count")
    parser.add_argument("--poisson", action="store_true", help="random gaps instead of equal ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=200, help="requests in flight at most")
    parser.add_argument("--thresholds", type=Path, default=HERE / "thresholds.yaml")
    parser.add_argument("--lag-p99-ms", type=float, default=LAG_P99_MS_MAX, help="own lag that voids a run")
    parser.add_argument("--out", type=Path, default=Path("out/load"))
    parser.add_argument("--wrk", action="store_true", help="cross-check the redirects with wrk afterwards")
    options = parser.parse_args(arguments)
    scenario = SCENARIOS[options.service]
    options.url = options.url or os.environ.get(scenario.url_variable)
    options.rate = scenario.rate_per_s if options.rate is None else options.rate
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    scenario = SCENARIOS[options.service]
    try:
        target = parse_target(options.url or "")
        schedule = _schedule(options, scenario)
        limits = load_limits(options.thresholds, options.service, scenario.mix)
        scenario.prepare(target, os.environ)
    except (TargetRefused, ScheduleError, ThresholdsError, Unexpected) as error:
        print(f"load test refused: {error}", file=sys.stderr)
        return REFUSED
    except KeyError as error:
        print(f'load test refused: {error} is not set; run: eval "$(make -s env)"', file=sys.stderr)
        return REFUSED
    print(f"{options.service}: {options.rate:g}/s for {options.duration:g} s to {target.url}", flush=True)
    outcome = run(scenario, schedule, target, workers=options.workers, warmup_s=options.warmup)
    summary = _summarise(options, schedule, outcome, limits)
    if options.wrk:
        summary["wrk"] = _cross_check(summary, target, options.rate)
    _write(summary, options.out / options.service)
    print(f"  {results.push(summary, os.environ)}")
    return _verdict(summary)


def _schedule(options: argparse.Namespace, scenario: type[OpenUser]) -> Schedule:
    if not 0 <= options.warmup < options.duration:
        raise ScheduleError("the warm-up must be shorter than the run")
    if options.wrk and "redirect" not in scenario.mix:
        raise ScheduleError("wrk cross-checks redirects, and this scenario has none")
    if not 1 <= options.workers <= WORKERS_MAX:
        raise ScheduleError(f"between 1 and {WORKERS_MAX} workers")
    return Schedule(options.rate, options.duration, scenario.mix, options.poisson, options.seed)


def _summarise(
    options: argparse.Namespace, schedule: Schedule, outcome: Outcome, limits: Limits
) -> dict[str, Any]:
    return summarise(
        scenario=options.service,
        schedule=schedule,
        recorder=outcome.recorder,
        checks=check(limits, outcome.recorder),
        workers=options.workers,
        wall_s=outcome.wall_s,
        generator_cpu_s=outcome.generator_cpu_s,
        locust_p99_ms=outcome.locust_p99_ms,
        lag_p99_ms_max=options.lag_p99_ms,
    )


def _cross_check(summary: dict[str, Any], target: Target, rate_per_s: float) -> dict[str, Any] | None:
    paths = [f"/{slug}" for _, slug in ShortenerUser.links]
    redirects = summary["operations"]["redirect"]["latency_ms"]
    ours = {
        "per_s": summary["achieved_per_s"],
        **{f"{key}_ms": redirects[key] for key in ("p50", "p99", "max")},
    }
    rows: list[dict[str, Any]] = [{"name": "open schedule, from intended start", **ours}]
    try:
        for name, rate in (("wrk, paced to the same rate", rate_per_s), ("wrk, flat out", None)):
            rows.append({"name": name, **asdict(run_wrk(target.url, paths, duration_s=5, rate_per_s=rate))})
    except WrkError as error:
        print(f"no cross-check: {error}", file=sys.stderr)
        return None
    return {"rows": rows, "why": WHY}


def _write(summary: dict[str, Any], stem: Path) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(summary, indent=1))
    stem.with_suffix(".html").write_text(render(summary))
    for name, data in summary["operations"].items():
        latency = data["latency_ms"]
        figures = "  ".join(f"{key} {latency[key]:.2f}" for key in ("p50", "p95", "p99", "max") if latency)
        print(
            f"  {name:15} {data['count']:>8} requests {sum(data['errors'].values()):>6} errors  ms: {figures}"
        )
    generator = summary["generator"]
    print(
        f"  achieved {summary['achieved_per_s']:.1f}/s, late starts {summary['late_starts']['count']}, "
        f"unfinished {summary['unfinished']}, generator lag p99 {generator['lag_ms']['p99']:.2f} ms at "
        f"{generator['cpu_ratio']:.0%} of a core"
    )
    for row in (summary.get("wrk") or {"rows": []})["rows"]:
        print(
            f"  {row['name']:36} {row['per_s']:>9.0f}/s  p50 {row['p50_ms']:.2f}  p99 {row['p99_ms']:.2f} ms"
        )
    print(f"  report: {stem.with_suffix('.html')}")


def _verdict(summary: dict[str, Any]) -> int:
    for failed in (item for item in summary["checks"] if not item["passed"]):
        name = f"{failed['operation']} {failed['limit']}"
        print(f"  BROKEN {name}: {failed['measured']:.4g}, limit {failed['wanted']:g}")
    if summary["generator"]["saturated"]:
        print("  VOID: the generator was saturated; lower the rate or free its core")
        return SATURATED
    return BROKEN if any(not item["passed"] for item in summary["checks"]) else HELD


if __name__ == "__main__":
    sys.exit(main())
