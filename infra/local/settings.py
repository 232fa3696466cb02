"""Ports and other choices: an environment variable, else a line of .env, else the default."""

import json
import os
from collections.abc import Mapping

from infra.local import paths
from infra.local.errors import LocalError

PORTS = {
    "POSTGRES_PORT": 15432,
    "REDIS_PORT": 16379,
    "KAFKA_PORT": 19092,
    "KAFKA_CONTROLLER_PORT": 19099,
    "VICTORIAMETRICS_PORT": 18428,
    "PROMETHEUS_PORT": 19090,
    "ALERTMANAGER_PORT": 19093,
    "SHORTENER_PORT": 8010,
    "SHORTENER_WORKER_PORT": 8030,
    "PAYMENTS_PORT": 8040,
    "PAYMENTS_WORKER_PORT": 8060,
    "BANK_PORT": 8070,
    "ORDERS_PORT": 8080,
    "ORDERS_WORKER_PORT": 8100,
    "INVENTORY_PORT": 8110,
    "INVENTORY_WORKER_PORT": 8130,
    "NOTIFICATIONS_WORKER_PORT": 8140,
    "MAILCATCHER_PORT": 8160,
    "SMTP_PORT": 8161,
    "METRICS_PORT": 8180,
    "STATSD_PORT": 8190,  # UDP
    "METRICS_WRITER_PORT": 8200,
}
_STARTED_WITH = paths.SUPERVISOR / "ports.json"


def dotenv() -> dict[str, str]:
    """KEY=VALUE lines; no expansion, quotes around a value are dropped."""
    path = paths.ROOT / ".env"
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text().splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def variable(name: str) -> str | None:
    return os.environ.get(name) or dotenv().get(name) or None


def chosen_ports() -> dict[str, int]:
    """What a start would use now."""
    ports = {name: _port(name, variable(name) or str(default)) for name, default in PORTS.items()}
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if port in seen:
            raise LocalError(f"{name} and {seen[port]} are both {port}", hint=f"set {name} to another port")
        seen[port] = name
    return ports


def ports() -> dict[str, int]:
    """What the running stack was started with: `make env` tells its ports, whatever the variables say now."""
    try:
        started: dict[str, int] = json.loads(_STARTED_WITH.read_text())
    except (FileNotFoundError, ValueError):
        return chosen_ports()
    return {**chosen_ports(), **started}


def remember_ports(ports: Mapping[str, int]) -> None:
    _STARTED_WITH.parent.mkdir(parents=True, exist_ok=True)
    _STARTED_WITH.write_text(json.dumps(ports))


def forget_ports() -> None:
    _STARTED_WITH.unlink(missing_ok=True)


def _port(name: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65535:  # noqa: PLR2004
        raise LocalError(f"{name}={value} is no port", hint=f"set {name} to a number from 1 to 65535")
    return int(value)
