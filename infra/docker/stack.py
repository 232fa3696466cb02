"""Which services start, what they are called, and what docker-compose.yml cannot compute itself."""

import json
import os
import sys
from collections.abc import Mapping

from infra.docker import engine, secret_files
from infra.docker.engine import Container, DockerError
from infra.local import catalog, paths, settings

PROFILES = "core observability"
SCALABLE = tuple(program.name for program in catalog.SCALABLE)
PULL_TIMEOUT_S = 300.0
LISTENER = "-listener"
_OPTIONAL = "signalbox.optional"
_OWN_PORTS = {"GRAFANA_PORT": 13000, "TEMPO_PORT": 13200}
_STARTED_WITH = paths.DOCKER / engine.PROJECT / "ports.json"


def chosen() -> list[str]:
    """The services of the profiles that PROFILES names, without those whose optional image cannot be had."""
    profiles = set((os.environ.get("PROFILES") or PROFILES).replace(",", " ").split())
    known = {profile for body in engine.services().values() for profile in body["profiles"]}
    if unknown := profiles - known:
        raise DockerError(
            f"no such profile: {' '.join(sorted(unknown))}", f"PROFILES of: {' '.join(sorted(known))}"
        )
    return [n for n, body in engine.services().items() if profiles & set(body["profiles"]) and _available(n)]


def _available(name: str) -> bool:
    """An optional service is left out, and that is told, when its image is neither here nor to be pulled."""
    body = engine.services()[name]
    if _OPTIONAL not in body.get("labels", {}) or engine.image_present(body["image"]):
        return True
    print(f"pulling {body['image']} for {name}", flush=True)
    reason = engine.pull(body["image"], timeout_s=PULL_TIMEOUT_S)
    if reason is not None:
        if os.environ.get("REQUIRE_ALL"):
            raise DockerError(f"{body['image']} cannot be had: {reason}", "go without it: REQUIRE_ALL=")
        print(f"left out: {name}, its image cannot be had ({reason})", file=sys.stderr, flush=True)
    return reason is None


def environment() -> dict[str, str]:
    """What docker-compose.yml cannot compute: ports of replicas, the folder of secrets, where spans go."""
    found = {name: str(port) for name, port in ports().items()}
    found["SECRETS_FOLDER"] = str(secret_files.FOLDER)
    for program in catalog.SCALABLE:
        first = ports()[program.port_variable] + program.shares_socket
        kind = "_DIRECT_PORTS" if program.shares_socket else "_PORTS"
        name = program.port_variable.removesuffix("_PORT") + kind
        found[name] = f"{first}-{first + program.replicas_max - 1}"
    if not engine.image_present(engine.services()["tempo"]["image"]):
        found["OTEL_EXPORTER_OTLP_ENDPOINT"] = ""
    return found


def ports() -> dict[str, int]:
    """What the running stack was started with: a later `scale` must not move it to other ports."""
    return _remembered() or chosen_ports()


def chosen_ports() -> dict[str, int]:
    """Those of the local runtime and of what only Compose has, from the environment or .env."""
    found = settings.chosen_ports()
    for name, default in _OWN_PORTS.items():
        value = settings.variable(name) or str(default)
        if not value.isdecimal():
            raise DockerError(f"{name}={value} is no port", f"set {name} to a number from 1 to 65535")
        found[name] = int(value)
    return found


def remember_ports(chosen: Mapping[str, int]) -> None:
    _STARTED_WITH.parent.mkdir(parents=True, exist_ok=True)
    _STARTED_WITH.write_text(json.dumps(chosen))


def forget_ports() -> None:
    _STARTED_WITH.unlink(missing_ok=True)


def _remembered() -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads(_STARTED_WITH.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def known(service: str) -> str:
    if service not in engine.services():
        raise DockerError(f"there is no service {service}", f"one of: {' '.join(engine.services())}")
    return service


def family(service: str) -> list[str]:
    """A service and, before it, the holder of its public socket where it has one."""
    listener = f"{known(service)}{LISTENER}"
    return [name for name in (listener, service) if name in engine.services()]


def replica(name: str) -> Container | None:
    """The one container that `shortener-2` means; None where the name is a service's."""
    if not name or name in engine.services():
        return None
    found = next((c for c in engine.containers() if c.name == name), None)
    if found is None:
        raise DockerError(f"there is no {name}", "make status RUNTIME=docker")
    return found


def replica_counts() -> dict[str, int]:
    """How many containers a service has, stopped ones included."""
    counts: dict[str, int] = {}
    for container in engine.containers():
        counts[container.service] = counts.get(container.service, 0) + 1
    return counts
