"""What `status`, `env` and `logs` show of the running stack."""

import json
import os
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.local import addresses, catalog, paths, probes, replicas, secrets, settings, supervisor
from infra.local.catalog import Process
from infra.local.errors import LocalError

_WORDS = {
    "BACKOFF": "restarting",
    "STOPPING": "stopping",
    "STOPPED": "stopped",
    "EXITED": "stopped",
    "FATAL": "failed",
}


def rows() -> list[dict[str, Any]]:
    states = supervisor.states()
    return [_row(process, states.get(process.supervised_name)) for process in replicas.all_wanted()]


def _row(process: Process, info: Mapping[str, Any] | None) -> dict[str, Any]:
    state = _state(process, info)
    pid = info["pid"] if info is not None and info["pid"] else None
    since = None
    if info is not None and (stamp := info["start"] if pid else info["stop"]):
        since = datetime.fromtimestamp(stamp).astimezone().isoformat(timespec="seconds")
    return {"name": process.name, "pid": pid, "port": process.port, "state": state, "since": since}


def _state(process: Process, info: Mapping[str, Any] | None) -> str:
    """One word: running (it answers on its port), starting, restarting, stopping, stopped or failed."""
    if info is None:
        return "stopped"
    if info["statename"] not in ("RUNNING", "STARTING"):
        return _WORDS.get(info["statename"], "stopped")
    return "running" if probes.listens(process.port) else "starting"


def status() -> None:
    found = rows()
    if os.environ.get("FORMAT") == "json":
        print(json.dumps(found, indent=2))
        return
    print(f"{'NAME':<20} {'PID':>8} {'PORT':>6}  {'STATE':<11} SINCE")
    for row in found:
        place = f"{row['name']:<20} {row['pid'] or '-':>8} {row['port']:>6}"
        print(f"{place}  {row['state']:<11} {row['since'] or '-'}")


def env() -> None:
    """Only what runs, or is meant to: a process that was stopped for a while keeps its address."""
    if not supervisor.alive() or not secrets.exist():
        raise LocalError("nothing runs", hint="make up")
    every = {program.name for program in catalog.PROGRAMS}
    for name, value in addresses.of(every, settings.ports(), secrets.read).items():
        print(f"export {name}={shlex.quote(value)}")


def logs(service: str) -> None:
    """Becomes `tail`: it ends with Ctrl-C and leaves nothing behind."""
    processes = replicas.named(service) if service else replicas.all_wanted()
    files = [str(log) for p in processes if (log := paths.LOGS / f"{p.name}.log").exists()]
    if not files:
        raise LocalError(f"no log of {service or 'any process'} yet", hint="make up")
    os.execvp("tail", ["tail", "-n", "200", "-F", *files])  # noqa: S606
