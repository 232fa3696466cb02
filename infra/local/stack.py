"""Brings the stack, or one part of it, up and down."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from infra.local import catalog, paths, prepare, probes, settings, supervisor
from infra.local.catalog import Process, Program
from infra.local.errors import LocalError
from infra.local.progress import say, step

_REPLICAS = paths.SUPERVISOR / "replicas.json"
_DAEMON_TIMEOUT_S = 15
_POLL_S = 0.05
_LIVE = ("RUNNING", "STARTING", "BACKOFF")


# --- How many of each


def replicas() -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads(_REPLICAS.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def wanted(program: Program) -> list[Process]:
    return [Process(program, number) for number in range(1, replicas().get(program.name, 1) + 1)]


def all_wanted() -> list[Process]:
    return [process for program in catalog.PROGRAMS for process in wanted(program)]


def named(service: str) -> list[Process]:
    """`shortener` is all its replicas, `shortener-2` one of them."""
    one = catalog.process(service)
    return [one] if one is not None else wanted(catalog.program(service))


# --- Up


def up(service: str) -> None:
    processes = named(service) if service else all_wanted()
    if not service:
        say(f"starting {len(processes)} processes; logs under {paths.LOGS}")
    _start_daemon()
    servers = [p for p in processes if p.program.module is None]
    services = [p for p in processes if p.program.module is not None]
    prepare.write_targets(all_wanted())
    _start(servers)
    if services and not service:
        prepare.contents()
    _start(services)


def _start(processes: Sequence[Process]) -> None:
    """All at once, then waits for each."""
    from infra.local import holders

    states = supervisor.states()
    idle = [p for p in processes if states[p.supervised_name]["statename"] not in _LIVE]
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


def _start_daemon() -> None:
    if supervisor.alive():
        _warn_of_other_ports()
        return
    from infra.local import holders

    left = holders.leftovers()
    if left:
        with step(f"ending {len(left)} processes that an interrupted run left behind"):
            holders.end(left)
    for stale in (supervisor.socket_path(), supervisor.PIDFILE, _REPLICAS):
        stale.unlink(missing_ok=True)
    settings.forget_ports()
    settings.remember_ports(settings.chosen_ports())
    # It opens the shared sockets at its own start, whatever is started then.
    holders.require_free_public(catalog.PROGRAMS)
    supervisor.write_config()
    _spawn_daemon()


def _spawn_daemon() -> None:
    environment = {**os.environ, supervisor.MARK: str(paths.RUN)}
    # make's own variables would turn every `make` that a child runs into a part of this one.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(supervisor.CONFIG)],
        cwd=paths.ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_DAEMON_TIMEOUT_S,
    )
    deadline = time.monotonic() + _DAEMON_TIMEOUT_S
    while done.returncode == 0 and time.monotonic() < deadline:
        if supervisor.alive():
            return
        time.sleep(_POLL_S)
    settings.forget_ports()
    reason = (done.stderr or done.stdout).strip() or f"see {supervisor.LOG}"
    raise LocalError(
        f"the process supervisor did not start: {reason}", hint="run `make stop`, then `make up`"
    )


def _warn_of_other_ports() -> None:
    now, chosen = settings.ports(), settings.chosen_ports()
    for name in (name for name in settings.PORTS if now[name] != chosen[name]):
        say(f"  note: the running stack uses {name}={now[name]}; {chosen[name]} counts after `make stop`")


# --- Down


def stop(service: str) -> None:
    if service:
        _require_running()
        for process in reversed(named(service)):
            with step(f"stopping {process.name}"):
                supervisor.stop(process)
        return
    from infra.local import holders

    if supervisor.alive():
        # Services first: what they hold goes to servers that still answer.
        _stop_programs(catalog.SERVICES)
        _stop_programs(catalog.SERVERS)
        with step("stopping the supervisor"):
            _shut_down()
    left = holders.leftovers()
    if left:
        with step(f"ending {len(left)} processes that were left over"):
            holders.end(left)
    if still := holders.leftovers():
        pids = " ".join(str(process.pid) for process in still)
        raise LocalError(
            f"these processes could not be ended: {pids}", hint="end them as the user who owns them"
        )
    for stale in (supervisor.socket_path(), supervisor.PIDFILE, _REPLICAS):
        stale.unlink(missing_ok=True)
    settings.forget_ports()
    say("nothing runs")


def _stop_programs(programs: Sequence[Program]) -> None:
    live = {p.program.name for p in _live() if p.program in programs}
    if not live:
        return
    with step(f"stopping {' '.join(sorted(live))}"):
        for name in live:
            supervisor.call("stopProcessGroup", name, False)
        # The supervisor kills what exceeds its stop_wait_s, so this ends.
        while any(p.program.name in live for p in _live()):
            time.sleep(_POLL_S)


def _live() -> list[Process]:
    states = supervisor.states()
    return [p for p in catalog.processes() if states[p.supervised_name]["statename"] in (*_LIVE, "STOPPING")]


def _shut_down() -> None:
    pid = supervisor.call("getPID")
    # It would end its groups one a second.
    supervisor.call("stopProcessGroup", "janitor", True)
    for name in ("janitor", *(program.name for program in catalog.PROGRAMS)):
        supervisor.call("removeProcessGroup", name)
    supervisor.call("shutdown")
    deadline = time.monotonic() + _DAEMON_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(_POLL_S)


def clean() -> None:
    """Everything but the toolchain: programs, jars and the virtual environment stay."""
    stop("")
    outside = prepare.outside_folder()
    for folder in (outside, *(p for p in _run_entries() if p not in (paths.CACHE, paths.DOCKER))):
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
    say("data, logs and secrets are removed; jars and the virtual environment are kept")


def _run_entries() -> list[Path]:
    return list(paths.RUN.iterdir()) if paths.RUN.exists() else []


# --- Scale and restart


def scale(service: str, count: str) -> None:
    _require_running()
    program = catalog.program(service)
    if program.replicas_max == 1:
        names = " ".join(p.name for p in catalog.PROGRAMS if p.replicas_max > 1)
        raise LocalError(f"{service} cannot be scaled", hint=f"SERVICE= one of: {names}")
    if not count.isdecimal() or not 1 <= int(count) <= program.replicas_max:
        raise LocalError(
            f"N={count or '?'} is not a number from 1 to {program.replicas_max}", hint="N=3, say"
        )
    before = len(wanted(program))
    _REPLICAS.write_text(json.dumps({**replicas(), program.name: int(count)}))
    # Fewer: out of discovery first, so that nobody is alarmed about one that was asked to leave.
    prepare.write_targets(all_wanted())
    for number in range(before, int(count), -1):
        with step(f"stopping {Process(program, number).name}"):
            supervisor.stop(Process(program, number))
    _start(wanted(program))


def restart(service: str) -> None:
    """One replica after the other, each ready before the next goes."""
    _require_running()
    if not service:
        raise LocalError("which one?", hint="make restart SERVICE=shortener")
    for process in named(service):
        with step(f"stopping {process.name}"):
            supervisor.stop(process)
        _start([process])


def _require_running() -> None:
    if not supervisor.alive():
        raise LocalError("nothing runs", hint="make up")
