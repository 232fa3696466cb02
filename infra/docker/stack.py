"""Which services start, what they are called, and what docker-compose.yml cannot compute itself."""

import os
import re
import sys

from infra.docker import engine, secret_files
from infra.docker.engine import Container, DockerError
from infra.local import paths

PROFILES = "core observability"
REPLICAS_MAX = 8
SCALABLE = ("shortener", "shortener-worker")
PULL_TIMEOUT_S = 300.0
LISTENER = "-listener"
_OPTIONAL = "signalbox.optional"


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
        print(f"left out: {name}, its image cannot be had ({reason})", file=sys.stderr, flush=True)
    return reason is None


def environment() -> dict[str, str]:
    """The replicas' port ranges, where secrets stand, and where spans go."""
    port, worker = _port("SHORTENER_PORT", 8010), _port("SHORTENER_WORKER_PORT", 8030)
    found = {
        "SECRETS_FOLDER": str(secret_files.FOLDER),
        "SHORTENER_DIRECT_PORTS": f"{port + 1}-{port + REPLICAS_MAX}",
        "SHORTENER_WORKER_PORTS": f"{worker}-{worker + REPLICAS_MAX - 1}",
    }
    if not engine.image_present(engine.services()["tempo"]["image"]):
        found["OTEL_EXPORTER_OTLP_ENDPOINT"] = ""
    return found


def _port(name: str, default: int) -> int:
    """Compose reads .env for itself; a port that others are computed from must be read here too."""
    file = paths.ROOT / ".env"
    text = file.read_text() if file.is_file() else ""
    lines = re.findall(rf"^(?:export\s+)?{name}=(\d+)\s*$", text, re.MULTILINE)
    return int(os.environ.get(name) or (lines[-1] if lines else default))


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
