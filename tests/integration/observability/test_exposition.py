"""What the chassis exposes, as a real Prometheus reads it."""

import json
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from chassis import metrics

from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

ROUTE = "/observability-test"


@contextmanager
def exposing() -> Iterator[int]:
    """The chassis' /metrics on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        server = uvicorn.Server(uvicorn.Config(metrics.exposition, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        yield int(opened.getsockname()[1])
        server.should_exit = True
        thread.join(20)


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[httpx.Client]:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed")
    scrape = {"job_name": "chassis", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    configuration = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(json.dumps(configuration), encoding="utf-8")
    port = free_port()
    options = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    process = subprocess.Popen(
        [
            "prometheus",
            *options,
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False, timeout=5) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def ask(client: httpx.Client, path: str, **parameters: str) -> Any:
    try:
        return client.get(path, params=parameters).json()["data"]
    except (httpx.TransportError, ValueError):
        return None


def test_prometheus_reads_buckets_and_exemplars_of_the_chassis(tmp_path: Path) -> None:
    trace_id = secrets.token_hex(16)
    series = metrics.HTTP_SECONDS.labels("GET", ROUTE, 302)
    series.observe(0.03, {"trace_id": trace_id})
    series.observe(0.2)
    name, selector = "http_server_request_duration_seconds_bucket", f'route="{ROUTE}"'
    with exposing() as port, prometheus(tmp_path, port) as client:
        found = eventually_sync(
            lambda: ask(
                client, "/query_exemplars", query=f"{name}{{{selector}}}", start="0", end="9999999999"
            ),
            timeout_s=30,
        )
        within = ask(client, "/query", query=f'{name}{{{selector}, le="0.05"}}')["result"]
        all_of_them = ask(client, "/query", query=f'{name}{{{selector}, le="0.25"}}')["result"]
    [exemplar] = found[0]["exemplars"]
    assert exemplar["labels"] == {"trace_id": trace_id}
    assert float(exemplar["value"]) == pytest.approx(0.03)
    assert [sample["value"][1] for sample in within] == ["1"]
    assert [sample["value"][1] for sample in all_of_them] == ["2"]
