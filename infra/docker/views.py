"""The stack as people and scripts read it: rows of `make status`, lines of `make env`, why a start failed."""

import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from infra.docker import engine, secret_files
from infra.docker.engine import Container
from infra.local import addresses

# Which of a container's ports is meant where it publishes several, or none for people.
_INNER_PORTS = {
    "postgres": 5432,
    "redis": 6379,
    "kafka": 19092,
    "mailcatcher": 8000,
    "metrics-ingest-listener": 8180,
}
_BROKEN = frozenset({"failed", "unhealthy", "restarting"})
LOG_LINES = 15


def shown(service: str) -> list[Container]:
    """One-shots that did their work are not processes; one that failed is news."""
    order = {name: index for index, name in enumerate(engine.services())}
    once = {name for name, body in engine.services().items() if body.get("restart") == "no"}
    found = [c for c in engine.containers() if c.service not in once or c.state != "stopped"]
    if service:
        found = [c for c in found if service in {c.service, c.name}]
    return sorted(found, key=lambda c: (order.get(c.service, len(order)), c.number))


def row(container: Container) -> dict[str, str | int | None]:
    """`pid` is the container's first process as the engine's host numbers it."""
    return {
        "name": container.name,
        "pid": container.pid or None,
        "container": container.id[:12],
        "port": port(container),
        "state": container.state,
        "since": since(container.started_at),
    }


def port(container: Container) -> int | None:
    inner = _INNER_PORTS.get(container.service)
    return container.ports.get(inner) if inner else next(iter(container.ports.values()), None)


def since(started_at: str) -> str | None:
    """Docker writes nanoseconds, which datetime does not read, and the year 1 for what never started."""
    if started_at.startswith("0001"):
        return None
    return datetime.fromisoformat(started_at[:19]).replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def exported(started: AbstractSet[str], ports: Mapping[str, int]) -> dict[str, str]:
    """`started` are services, `ports` go by their variables' names."""
    return addresses.of(started, ports, lambda name: (secret_files.FOLDER / name).read_text().strip())


def explain(status: int) -> int:
    """Compose has shown its error; which container it was, its last words and the next step are added."""
    if status == 0:
        return 0
    for container in engine.containers():
        if container.state in _BROKEN:
            print(f"\n{container.name} is {container.state}; its last lines:", file=sys.stderr, flush=True)
            subprocess.run(["docker", "logs", f"--tail={LOG_LINES}", container.id], check=False)
    print(
        "\nnot everything is up\n"
        "  next: a port that is taken is moved with its variable, as in `SHORTENER_PORT=9010 make up`;\n"
        "        what an earlier run left half made is removed with `make clean RUNTIME=docker`",
        file=sys.stderr,
    )
    return status
