"""Brings the stack, or one part of it, up: what it needs first, then each process until it is ready."""

import time
from collections.abc import Sequence

from infra.local import catalog, daemon, holders, paths, prepare, probes, replicas, supervisor
from infra.local.catalog import Process
from infra.local.errors import LocalError
from infra.local.progress import say, step

_POLL_S = 0.05


def up(service: str) -> None:
    processes = replicas.named(service) if service else replicas.all_wanted()
    if not service:
        say(f"starting {len(processes)} processes; logs under {paths.LOGS}")
    daemon.start()
    servers = [p for p in processes if p.program.module is None]
    services = [p for p in processes if p.program.module is not None]
    prepare.write_targets(replicas.all_wanted())
    start(servers)
    if services and not service:
        prepare.contents()
    for layer in catalog.LAYERS:
        start([p for p in services if p.program in layer])


def start(processes: Sequence[Process]) -> None:
    """All at once, then waits for each."""
    states = supervisor.states()
    idle = [p for p in processes if states[p.supervised_name]["statename"] not in supervisor.LIVE]
    holders.require_free(idle)
    if any(p.program is catalog.POSTGRES for p in idle):
        prepare.place_postgres()
    if any(p.program.module is None for p in idle):
        with step(f"preparing {' '.join(p.name for p in idle)}"):
            prepare.servers(idle)
    for process in idle:
        _log_size_before[process.name] = _log_size(process)
        supervisor.start(process)
    for process in processes:
        _await_ready(process)


_log_size_before: dict[str, int] = {}


def _log_size(process: Process) -> int:
    log = paths.LOGS / f"{process.name}.log"
    return log.stat().st_size if log.exists() else 0


def _await_ready(process: Process) -> None:
    if probes.ready(process):
        say(f"  {process.name} is ready on port {process.port}")
        return
    deadline = time.monotonic() + process.program.ready_timeout_s
    with step(f"{process.name} on port {process.port}"):
        while not probes.ready(process):
            if time.monotonic() > deadline or _gives_up(process):
                raise LocalError(
                    f"{process.name} does not become ready; the end of its log:\n{_log_tail(process)}",
                    hint=f"the whole log: {paths.LOGS / process.name}.log; then `make up` goes on from here",
                )
            time.sleep(_POLL_S)


def _gives_up(process: Process) -> bool:
    """A process that died a third time since this start will not become ready by waiting."""
    info = supervisor.states().get(process.supervised_name, {})
    return info.get("statename") in ("FATAL", "STOPPED") or _starts_failed(process, info)


_FAILED_STARTS_MAX = 3
_failed: dict[str, set[object]] = {}


def _starts_failed(process: Process, info: dict[str, object]) -> bool:
    seen = _failed.setdefault(process.name, set())
    if info.get("statename") == "BACKOFF":
        seen.add(info["stop"])
    return len(seen) >= _FAILED_STARTS_MAX


def _log_tail(process: Process) -> str:
    log = paths.LOGS / f"{process.name}.log"
    if not log.exists():
        return "    (nothing was written)"
    with log.open("rb") as lines:
        lines.seek(_log_size_before.get(process.name, 0))
        text = lines.read()[-4000:].decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-15:]) or "    (nothing was written)"
