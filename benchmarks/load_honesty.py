"""How far closed-loop load tools are from the truth when a server stalls (ADR-0020)."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._frame import Row, figure, less_is_better, more_is_better
from benchmarks._processes import ROOT, python_server
from benchmarks.stalling_server import true_p99_ms
from loadtests.wrk import run_wrk

PERIOD_S = float(os.environ.get("STALL_PERIOD_S", "10"))
STALL_S = float(os.environ.get("STALL_S", "1"))
PERIODS = 2
RATE_PER_S = 200
CLOSED_USERS = 10

# What the Locust tutorial shows: users that ask again as soon as they were answered.
PLAIN_LOCUST = """
from locust import FastHttpUser, constant, task
class Visitor(FastHttpUser):
    wait_time = constant({wait_s})
    @task
    def visit(self):
        self.client.get("/link", allow_redirects=False)
"""


def measure() -> list[Row]:
    stalls = {"STALL_PERIOD_S": str(PERIOD_S), "STALL_S": str(STALL_S)}
    duration_s = PERIODS * PERIOD_S
    server = ["-m", "uvicorn", "benchmarks.stalling_server:app", "--port", "{port}", "--no-access-log"]
    with python_server(server, stalls) as process:
        ours = open_p99_ms(process.url, duration_s)
        think_s = CLOSED_USERS / RATE_PER_S
        plain = plain_locust_p99_ms(process.url, duration_s, wait_s=0.0)
        paced = plain_locust_p99_ms(process.url, duration_s, wait_s=think_s)
        wrk = run_wrk(process.url, ["/link"], duration_s=duration_s, connections=CLOSED_USERS)
    truth = true_p99_ms(PERIOD_S, STALL_S)
    return [
        figure(f"p99 in truth: {STALL_S:g} s stall in every {PERIOD_S:g} s", truth, unit="ms"),
        # Near the truth from either side: neither blind nor inventing.
        more_is_better("p99 on our open schedule, of the truth", ours, truth, unit="ms", goal=0.9),
        less_is_better("p99 on our open schedule, not above it", ours, truth, unit="ms", goal=0.8),
        more_is_better("against plain Locust, no wait", ours, plain, unit="ms p99", goal=5.0),
        more_is_better("against plain Locust, paced to the rate", ours, paced, unit="ms p99"),
        more_is_better("against wrk", ours, wrk.p99_ms, unit="ms p99"),
    ]


def open_p99_ms(url: str, duration_s: float) -> float:
    """The harness itself, on the redirects of the shortener's scenario, as `make load` runs it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "loadtests.run", "--service", "probe", "--url", url]
        command += ["--rate", str(RATE_PER_S), "--duration", str(duration_s), "--warmup", "0"]
        command += ["--workers", "400", "--lag-p99-ms", "1000", "--out", folder]
        subprocess.run(command, cwd=ROOT, check=True, timeout=duration_s + 60, stdout=subprocess.DEVNULL)
        summary: dict[str, Any] = json.loads((Path(folder) / "probe.json").read_text())
    return float(summary["operations"]["all"]["latency_ms"]["p99"])


def plain_locust_p99_ms(url: str, duration_s: float, *, wait_s: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        locustfile = Path(folder) / "plain.py"
        locustfile.write_text(PLAIN_LOCUST.format(wait_s=wait_s))
        command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "--json"]
        command += ["-u", str(CLOSED_USERS), "-r", str(CLOSED_USERS), "-t", f"{duration_s:.0f}s", "-H", url]
        done = subprocess.run(
            [*command, "--loglevel", "ERROR", "--skip-log"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=duration_s + 60,
            check=True,
        )
    (entry,) = json.loads(done.stdout)
    return percentile_of_counts(entry["response_times"], 0.99)


def percentile_of_counts(counts: dict[str, int], share: float) -> float:
    """Locust's own table of rounded milliseconds -> how often."""
    wanted = sum(counts.values()) * share
    seen = 0
    for value, count in sorted((float(value), count) for value, count in counts.items()):
        seen += count
        if seen >= wanted:
            return value
    raise ValueError("no responses")


PARTS = {"load_honesty": measure}
