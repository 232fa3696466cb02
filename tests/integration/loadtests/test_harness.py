import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks._processes import python_server
from benchmarks.load_honesty import plain_locust_p99_ms
from benchmarks.stalling_server import true_p99_ms
from tests.support.ports import free_port

PERIOD_S, STALL_S = 1.0, 0.2
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def stalling_url() -> Iterator[str]:
    stalls = {"STALL_PERIOD_S": str(PERIOD_S), "STALL_S": str(STALL_S)}
    command = ["-m", "uvicorn", "benchmarks.stalling_server:app", "--port", "{port}", "--no-access-log"]
    with python_server(command, stalls) as process:
        yield process.url


def run_probe(url: str, out: Path, *options: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "loadtests.run", "--service", "probe", "--url", url, "--out", str(out)]
    ours = ("SHORTENER_API_KEY", "METRICS_URL", "METRICS_API_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | extra
    return subprocess.run(
        [*command, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


def summary_of(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "probe.json").read_text())
    return document


def test_a_stall_is_seen_in_full_where_plain_locust_reports_a_fraction(
    stalling_url: str, tmp_path: Path
) -> None:
    lenient = ("--rate", "100", "--duration", "4", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(stalling_url, tmp_path, *lenient)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = summary_of(tmp_path)
    seen_ms = summary["operations"]["all"]["latency_ms"]["p99"]
    truth_ms = true_p99_ms(PERIOD_S, STALL_S)
    # A busy machine can only add to it, the stall itself is the least that was there.
    assert seen_ms >= 0.85 * truth_ms
    assert plain_locust_p99_ms(stalling_url, 4, wait_s=0.0) < seen_ms / 2


def test_a_pool_too_small_for_the_stall_still_counts_the_wait(stalling_url: str, tmp_path: Path) -> None:
    options = ("--rate", "100", "--duration", "3", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(stalling_url, tmp_path, *options, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = summary_of(tmp_path)
    assert summary["operations"]["all"]["count"] == 300
    assert summary["late_starts"]["count"] > 30
    assert summary["operations"]["all"]["latency_ms"]["p99"] >= 0.85 * true_p99_ms(PERIOD_S, STALL_S)
    assert (
        summary["operations"]["all"]["service_ms"]["p95"] < summary["operations"]["all"]["latency_ms"]["p95"]
    )


def test_a_broken_limit_decides_the_exit_status_and_the_report_says_which(
    stalling_url: str, tmp_path: Path
) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text("probe: {visit: {p99_ms: 50}}")
    options = ("--rate", "50", "--duration", "2", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(stalling_url, tmp_path, *options, "--thresholds", str(limits))
    assert done.returncode == 1
    assert "BROKEN visit p99_ms" in done.stdout
    assert "Failed: 1 of 1" in (tmp_path / "probe.html").read_text()


def test_a_generator_that_cannot_keep_its_schedule_voids_the_run(stalling_url: str, tmp_path: Path) -> None:
    options = ("--rate", "200", "--duration", "2", "--warmup", "0", "--lag-p99-ms", "0.001")
    done = run_probe(stalling_url, tmp_path, *options)
    assert done.returncode == 3
    assert "VOID" in done.stdout


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Answers the first push with 503, and accepts the second; what came is kept."""
    seen: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers["Authorization"], body["points"]))
            self.send_response(503 if len(seen) == 1 else 202)
            answer = json.dumps({"accepted": len(body["points"])}).encode()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            """Requests are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
        server.shutdown()
        thread.join()


def test_results_are_pushed_to_metrics_ingest_until_they_are_accepted(
    stalling_url: str, receiver: tuple[str, list[Any]], tmp_path: Path
) -> None:
    url, seen = receiver
    options = ("--rate", "20", "--duration", "1", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(stalling_url, tmp_path, *options, METRICS_URL=url, METRICS_API_KEY="a-key")
    assert done.returncode == 0, done.stdout + done.stderr
    [(path, key, points), again] = seen
    assert (path, key) == ("/api/v1/points", "Bearer a-key")
    assert again == seen[0]
    counts = [
        p["value"] for p in points if (p["name"], p["labels"].get("operation")) == ("load_requests", "all")
    ]
    assert counts == [20]
    assert f"results: {len(points)} of {len(points)} points at {url}" in done.stdout


def test_a_metrics_ingest_that_is_away_leaves_the_verdict_alone(stalling_url: str, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    options = ("--rate", "20", "--duration", "1", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(stalling_url, tmp_path, *options, METRICS_URL=away, METRICS_API_KEY="a-key")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results stay here" in done.stdout
    done = run_probe(stalling_url, tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "METRICS_URL and METRICS_API_KEY are not set" in done.stdout


def test_a_dead_server_fails_the_run_and_every_arrival_is_counted(tmp_path: Path) -> None:
    options = ("--rate", "50", "--duration", "1", "--warmup", "0", "--lag-p99-ms", "2000")
    done = run_probe(f"http://127.0.0.1:{free_port()}", tmp_path, *options)
    assert done.returncode == 1
    total = summary_of(tmp_path)["operations"]["all"]
    assert (total["count"], sum(total["errors"].values())) == (50, 50)


@pytest.mark.parametrize(
    "options",
    [
        ("--url", "http://192.0.2.1:80"),
        ("--rate", "0"),
        ("--duration", "99999"),
        ("--warmup", "60"),
        ("--workers", "5000"),
        ("--wrk",),
    ],
)
def test_an_unsafe_run_is_refused_before_anything_is_sent(tmp_path: Path, options: tuple[str, str]) -> None:
    done = run_probe("http://127.0.0.1:9", tmp_path, *options)
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert not (tmp_path / "probe.json").exists()
