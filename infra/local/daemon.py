"""The process supervisor's own life: started with the stack, shut down with it, its traces removed."""

import os
import subprocess
import sys
import time

from infra.local import catalog, holders, paths, replicas, settings, supervisor
from infra.local.errors import LocalError
from infra.local.progress import say, step

_TIMEOUT_S = 15
_POLL_S = 0.05


def start() -> None:
    if supervisor.alive():
        _warn_of_other_ports()
        return
    left = holders.leftovers()
    if left:
        with step(f"ending {len(left)} processes that an interrupted run left behind"):
            holders.end(left)
    forget()
    settings.remember_ports(settings.chosen_ports())
    # It opens the shared sockets at its own start, whatever is started then.
    holders.require_free_public(catalog.PROGRAMS)
    supervisor.write_config()
    _spawn()


def _spawn() -> None:
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
        timeout=_TIMEOUT_S,
    )
    deadline = time.monotonic() + _TIMEOUT_S
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


def require() -> None:
    if not supervisor.alive():
        raise LocalError("nothing runs", hint="make up")


def shut_down() -> None:
    pid = supervisor.call("getPID")
    # It would end its groups one a second.
    supervisor.call("stopProcessGroup", "janitor", True)
    for name in ("janitor", *(program.name for program in catalog.PROGRAMS)):
        supervisor.call("removeProcessGroup", name)
    supervisor.call("shutdown")
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(_POLL_S)


def forget() -> None:
    """What it leaves on disk when it ends, or was killed."""
    for stale in (supervisor.socket_path(), supervisor.PIDFILE):
        stale.unlink(missing_ok=True)
    replicas.forget()
    settings.forget_ports()
