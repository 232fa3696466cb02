"""`python -m benchmarks.run shortener`: measures, prints a table, fails when a ratio falls short."""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks._frame import OUT, publish

SUITES = {
    "shortener": "benchmarks.shortener.suite",
    "chassis": "benchmarks.chassis.suite",
    "payments": "benchmarks.payments.suite",
    "orders": "benchmarks.orders.suite",
    "metrics-ingest": "benchmarks.metrics_ingest.suite",
    "load_honesty": "benchmarks.load_honesty",
}
REACHED, FELL_SHORT, TERMINATED = 0, 1, 143


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("suite", choices=sorted(SUITES))
    parser.add_argument("--only", default="", help="parts whose name contains this word")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    parts = importlib.import_module(SUITES[options.suite]).PARTS
    chosen = {name: measure for name, measure in parts.items() if options.only in name}
    if not chosen:
        parser.error(f"no part of {options.suite} is named so; there are: {', '.join(parts)}")
    # Ended from outside it still stops the servers that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    rows = []
    for name, measure in chosen.items():
        print(f"measuring {name} ...", flush=True)
        rows += measure()
    label = options.suite if not options.only else f"{options.suite}-{options.only}"
    return REACHED if publish(label, rows, folder=options.out) else FELL_SHORT


if __name__ == "__main__":
    sys.exit(main())
