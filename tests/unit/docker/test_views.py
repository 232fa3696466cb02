"""Rows of `make status` and lines of `make env`, from containers as the engine describes them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.docker import engine, secret_files, stack, views
from infra.docker.engine import Container
from infra.local import paths

SERVICES = {
    "kafka-topics": {"restart": "no"},
    "redis": {"restart": "unless-stopped"},
    "shortener": {"restart": "unless-stopped"},
    "shortener-listener": {"restart": "unless-stopped"},
}


def container(service: str, number: int = 1, **changes: object) -> Container:
    values: dict[str, object] = {
        "id": f"{service}{number}".ljust(64, "0"),
        "service": service,
        "number": number,
        "pid": 4711,
        "status": "running",
        "health": "healthy",
        "exit_code": 0,
        "started_at": "2026-11-21T02:42:33.375112233Z",
        "ports": {8000: 8011},
    }
    return Container(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> list[Container]:
    found: list[Container] = []
    monkeypatch.setattr(engine, "containers", lambda: found)
    monkeypatch.setattr(engine, "services", lambda: SERVICES)
    return found


def test_replicas_are_named_as_on_the_local_runtime() -> None:
    assert [container("shortener", n).name for n in (1, 2, 3)] == ["shortener", "shortener-2", "shortener-3"]


def test_a_row_tells_name_process_port_and_state() -> None:
    assert views.row(container("shortener", 2)) == {
        "name": "shortener-2",
        "pid": 4711,
        "container": "shortener200",
        "port": 8011,
        "state": "running",
        "since": "2026-11-21T02:42:33Z",
    }


@pytest.mark.parametrize(
    ("status", "health", "exit_code", "state"),
    [
        ("running", "", 0, "running"),
        ("running", "starting", 0, "starting"),
        ("running", "unhealthy", 0, "unhealthy"),
        ("paused", "healthy", 0, "paused"),
        ("created", "", 0, "stopped"),
        ("exited", "", 0, "stopped"),
        ("exited", "", 137, "stopped"),
        ("exited", "", 1, "failed"),
    ],
)
def test_a_state_is_one_word(status: str, health: str, exit_code: int, state: str) -> None:
    assert container("redis", status=status, health=health, exit_code=exit_code).state == state


def test_a_one_shot_is_shown_only_when_it_failed(containers: list[Container]) -> None:
    containers += [container("redis"), container("kafka-topics", status="exited")]
    assert [c.name for c in views.shown("")] == ["redis"]
    containers[1] = container("kafka-topics", status="exited", exit_code=1)
    assert [c.name for c in views.shown("")] == ["kafka-topics", "redis"]


def test_a_service_means_all_its_replicas_and_a_replica_itself(containers: list[Container]) -> None:
    containers += [container("shortener"), container("shortener", 2), container("redis")]
    assert [c.name for c in views.shown("shortener")] == ["shortener", "shortener-2"]
    assert [c.name for c in views.shown("shortener-2")] == ["shortener-2"]
    assert stack.replica("shortener") is None
    assert stack.replica("shortener-2") == containers[1]


def test_the_holder_of_a_public_socket_starts_and_stops_with_its_service(containers: list[Container]) -> None:
    del containers
    assert stack.family("shortener") == ["shortener-listener", "shortener"]
    assert stack.family("redis") == ["redis"]


def test_an_unknown_name_is_met_with_the_next_step(containers: list[Container]) -> None:
    del containers
    with pytest.raises(engine.DockerError, match="there is no shortener-9"):
        stack.replica("shortener-9")


def test_addresses_are_only_of_what_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "FOLDER", tmp_path)
    (tmp_path / "redis_password").write_text("pw")
    ports = {"REDIS_PORT": 16379, "PROMETHEUS_PORT": 19090, "KAFKA_PORT": 19092}
    found = views.exported({"redis", "prometheus"}, ports)
    assert found == {"REDIS_URL": "redis://:pw@127.0.0.1:16379/0", "PROMETHEUS_URL": "http://127.0.0.1:19090"}


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(stack, "_STARTED_WITH", tmp_path / "run" / "ports.json")
    monkeypatch.setattr(engine, "services", lambda: {"tempo": {"image": "grafana/tempo"}})
    monkeypatch.setattr(engine, "image_present", lambda _: False)
    for name in ("SHORTENER_PORT", "SHORTENER_WORKER_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_port_ranges_follow_the_first_port(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORTENER_WORKER_PORT", "7000")
    (run_folder / ".env").write_text("SHORTENER_PORT=9010\n")
    found = stack.environment()
    assert found["SHORTENER_DIRECT_PORTS"] == "9011-9018"
    assert found["SHORTENER_WORKER_PORTS"] == "7000-7007"
    assert found["PAYMENTS_DIRECT_PORTS"] == "8041-8048"
    assert found["METRICS_DIRECT_PORTS"] == "8181-8188"


def test_a_running_stack_keeps_the_ports_it_was_started_with(run_folder: Path) -> None:
    (run_folder / ".env").write_text("SHORTENER_PORT=9010\n")
    stack.remember_ports(stack.chosen_ports())
    (run_folder / ".env").write_text("SHORTENER_PORT=9910\n")
    assert stack.environment()["SHORTENER_PORT"] == "9010"
    stack.forget_ports()
    assert stack.environment()["SHORTENER_PORT"] == "9910"


@pytest.mark.usefixtures("run_folder")
def test_without_tempo_no_span_is_sent() -> None:
    assert stack.environment()["OTEL_EXPORTER_OTLP_ENDPOINT"] == ""


def test_no_engine_is_an_error_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "Cannot connect")
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/docker")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(engine.DockerError) as failure:
        engine.require()
    assert "RUNTIME=local" in failure.value.hint
