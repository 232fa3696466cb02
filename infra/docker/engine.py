"""What the make targets need of Docker: an engine that answers, the stack as Compose reads it, containers."""

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.local import paths
from infra.local.errors import LocalError

# Another name is another stack beside the first: the smoke test is one.
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME") or "signalbox"
QUERY_TIMEOUT_S = 60.0


class DockerError(LocalError):
    """What went wrong on this runtime, and the next step."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint=hint)


@dataclass(frozen=True)
class Container:
    id: str
    service: str
    number: int
    pid: int
    status: str
    health: str
    exit_code: int
    started_at: str
    ports: Mapping[int, int]

    @property
    def name(self) -> str:
        """As on the local runtime: the first replica has the service's name, the second `-2`."""
        return self.service if self.number == 1 else f"{self.service}-{self.number}"

    @property
    def running(self) -> bool:
        return self.status == "running"

    @property
    def state(self) -> str:
        """One word: running, starting, unhealthy, paused, restarting, stopped or failed."""
        if self.running:
            return "running" if self.health in {"", "healthy"} else self.health
        if self.status == "exited":
            return "stopped" if self.exit_code in _ASKED_TO_STOP else "failed"
        return "stopped" if self.status == "created" else self.status


# Left by itself, or ended by SIGINT, SIGKILL or SIGTERM.
_ASKED_TO_STOP = frozenset({0, 130, 137, 143})


def require() -> None:
    """An engine that answers and Compose v2, or an error that says which of them is missing."""
    if shutil.which("docker") is None:
        raise DockerError("there is no docker command", "install Docker, or use RUNTIME=local")
    if _run("docker", "info", "--format", "{{.ServerVersion}}").returncode != 0:
        raise DockerError(
            "no Docker engine answers", "start it (and check DOCKER_HOST), or use RUNTIME=local"
        )
    if _run("docker", "compose", "version").returncode != 0:
        raise DockerError(
            "docker has no Compose v2", "install the docker-compose-plugin package, or use RUNTIME=local"
        )


def compose(*words: str, environment: Mapping[str, str] | None = None) -> int:
    """Runs Compose on every profile with its progress on this terminal; the answer is its exit status."""
    return subprocess.run(
        _compose(words), env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, check=False
    ).returncode


def _compose(words: Sequence[str]) -> list[str]:
    file = paths.ROOT / "docker-compose.yml"
    return ["docker", "compose", "--file", str(file), "--project-name", PROJECT, "--profile", "*", *words]


@functools.cache
def services() -> dict[str, dict[str, Any]]:
    """The stack as Compose reads it: image, profiles, labels, build of each service."""
    done = _run(*_compose(["config", "--format", "json"]))
    if done.returncode != 0:
        raise DockerError(f"docker-compose.yml is not valid: {done.stderr.strip()}", "docker compose config")
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def containers() -> list[Container]:
    """All containers of the stack, one-shots and stopped ones included, by service and number."""
    listed = _run(
        "docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}"
    )
    if listed.returncode != 0:
        raise DockerError(f"docker ps failed: {listed.stderr.strip()}", "docker info")
    ids = listed.stdout.split()
    if not ids:
        return []
    # A container may go between the two calls; those that are left are the answer.
    inspected = json.loads(_run("docker", "inspect", "--type", "container", *ids).stdout or "[]")
    found = [_container(entry) for entry in inspected if _label(entry, "oneoff") != "True"]
    return sorted(found, key=lambda c: (c.service, c.number))


def wait_healthy(container_id: str, *, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if any(c.id == container_id and c.state == "running" for c in containers()):
            return True
        time.sleep(0.25)
    return False


def image_present(image: str) -> bool:
    return _run("docker", "image", "inspect", image).returncode == 0


def pull(image: str, *, timeout_s: float) -> str | None:
    """None, or why the image could not be had."""
    try:
        done = subprocess.run(
            ["docker", "pull", "--quiet", image],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"no answer from the registry in {timeout_s:.0f} s"
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def _container(entry: dict[str, Any]) -> Container:
    state = entry["State"]
    bound = entry["NetworkSettings"]["Ports"] or {}
    return Container(
        id=entry["Id"],
        service=_label(entry, "service"),
        number=int(_label(entry, "container-number") or 1),
        pid=state["Pid"],
        status=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        exit_code=state["ExitCode"],
        started_at=state["StartedAt"],
        ports={
            int(inner.split("/")[0]): int(outer[0]["HostPort"]) for inner, outer in bound.items() if outer
        },
    )


def _label(entry: dict[str, Any], name: str) -> str:
    return str(entry["Config"]["Labels"].get(f"com.docker.compose.{name}", ""))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=QUERY_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )
