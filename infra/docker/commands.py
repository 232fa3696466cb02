"""The make targets on Docker: `runtime VERB [SERVICE=] [N=] [FORMAT=json] [PROFILES=] [RATE=] ...`."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

from infra.docker import engine, secret_files, stack, views
from infra.docker.engine import Container, DockerError
from infra.local import catalog, paths, secrets, settings
from infra.local.catalog import REPLICAS_MAX
from infra.local.errors import LocalError

UP_TIMEOUT_S = 300
ONE_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
TAIL_LINES = 200
_JUST_THESE = ("--no-deps", "--no-recreate", "--no-build")


def up(service: str) -> int:
    secrets.ensure()
    secret_files.write(paths.SECRETS, secret_files.FOLDER)
    if service:
        return _up_one(service)
    stack.remember_ports(stack.chosen_ports())
    chosen = stack.chosen()
    counts = stack.replica_counts()
    scaled = [f"--scale={name}={counts[name]}" for name in chosen if counts.get(name, 1) > 1]
    print(f"starting {len(chosen)} services: {' '.join(chosen)}", flush=True)
    waiting = ("--wait", f"--wait-timeout={UP_TIMEOUT_S}")
    return views.explain(_compose("up", "--detach", "--build", *waiting, *scaled, *chosen))


def _up_one(service: str) -> int:
    if (replica := stack.replica(service)) is not None:
        return _docker("start", replica.id) or _await(replica)
    # A service that was scaled out and stopped comes back as many as it was.
    return _start(stack.family(service), service, max(1, stack.replica_counts().get(service, 1)))


def _start(names: list[str], service: str, count: int) -> int:
    waiting = ("--wait", f"--wait-timeout={ONE_TIMEOUT_S}")
    words = ("up", "--detach", *_JUST_THESE, *waiting, f"--scale={service}={count}", *names)
    return views.explain(_compose(*words))


def stop(service: str) -> int:
    if not service:
        return _down()
    if (replica := stack.replica(service)) is not None:
        return _docker("stop", "-t", str(STOP_TIMEOUT_S), replica.id)
    # Replicas first: whoever connects while they drain is still answered.
    return max(_compose("stop", name) for name in reversed(stack.family(service)))


def clean(service: str) -> int:
    if service:
        raise DockerError("clean removes all data, not that of one service", "make clean RUNTIME=docker")
    status = _down("--volumes")
    if status == 0:
        shutil.rmtree(secret_files.FOLDER.parent, ignore_errors=True)
    return status


def _down(*words: str) -> int:
    status = _compose("down", "--remove-orphans", *words)
    if status == 0:
        stack.forget_ports()
    return status


def scale(service: str) -> int:
    wanted = os.environ.get("N", "")
    if not wanted.isdecimal() or not 1 <= int(wanted) <= REPLICAS_MAX:
        raise DockerError(
            f"N={wanted or '?'} is not a number from 1 to {REPLICAS_MAX}",
            "make scale SERVICE=shortener N=3",
        )
    if service not in stack.SCALABLE:
        raise DockerError(
            f"{service or 'nothing'} cannot be scaled", f"SERVICE= one of: {' '.join(stack.SCALABLE)}"
        )
    return _start([service], service, int(wanted))


def restart(service: str) -> int:
    """One replica after the other, each ready before the next: a service with two loses no request."""
    for container in views.shown(service):
        print(f"restarting {container.name}", flush=True)
        status = _docker("restart", "-t", str(STOP_TIMEOUT_S), container.id) or _await(container)
        if status != 0:
            return status
    return 0


def _await(container: Container) -> int:
    is_ready = engine.wait_healthy(container.id, timeout_s=ONE_TIMEOUT_S)
    return views.explain(0 if is_ready else 1)


def load(service: str) -> int:
    """The load profile at RATE for DURATION; its reports are copied to out/load."""
    program = catalog.program(service or "shortener")
    if not program.shares_socket:
        names = " ".join(p.name for p in catalog.SERVICES if p.shares_socket)
        raise DockerError(f"{program.name} has no public address", f"SERVICE= one of: {names}")
    # Inside the network of its holder the public socket has its default port, wherever that is published.
    url = f"http://127.0.0.1:{settings.PORTS[program.port_variable]}"
    os.environ.update({"LOAD_SERVICE": program.name, "LOAD_URL": url})
    target, name = paths.OUT / "load", f"{engine.PROJECT}-load-run"
    target.mkdir(parents=True, exist_ok=True)
    if (built := _compose("build", "load")) != 0:
        return built
    held = _compose("run", "--no-deps", f"--name={name}", "load")
    copied = _docker("cp", f"{name}:/app/out/load/.", str(target))
    _docker("rm", "--force", "--volumes", name)
    return held or copied


def status(service: str) -> int:
    rows = [views.row(container) for container in views.shown(service)]
    if os.environ.get("FORMAT") == "json":
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        print("nothing runs: make up RUNTIME=docker")
        return 0
    print(f"{'NAME':<20} {'CONTAINER':<14} {'PORT':>6}  {'STATE':<11} SINCE")
    for row in rows:
        place = f"{row['name']:<20} {row['container']:<14} {row['port'] or '-':>6}"
        print(f"{place}  {row['state']:<11} {row['since'] or '-'}")
    return 0


def env(_service: str) -> int:
    """Of all that was started: what is stopped for a while keeps its address."""
    started = {container.service for container in engine.containers()}
    if not started:
        raise DockerError("nothing runs", "make up RUNTIME=docker")
    for name, value in views.exported(started, stack.ports()).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def logs(service: str) -> int:
    if (replica := stack.replica(service)) is not None:
        return _docker("logs", "--follow", f"--tail={TAIL_LINES}", replica.id, quiet=False)
    names = [stack.known(service)] if service else []
    return _compose("logs", "--follow", f"--tail={TAIL_LINES}", "--no-log-prefix", *names)


def as_service(words: Sequence[str]) -> int:
    """A module of a service run by hand, inside one of its containers: `as SERVICE MODULE WORDS`."""
    if len(words) < 2:  # noqa: PLR2004
        raise DockerError(
            "which service, and which module of it?", "as orders-worker orders.deadletters list"
        )
    name, *command = words
    return _compose("exec", "-T", stack.known(name), "python", "-m", *command)


def check(_service: str) -> int:
    """Exit 0 where this runtime can be used; `main` has asked the engine by now."""
    return 0


VERBS: dict[str, Callable[[str], int]] = {
    "up": up,
    "stop": stop,
    "clean": clean,
    "status": status,
    "env": env,
    "scale": scale,
    "logs": logs,
    "restart": restart,
    "load": load,
    "check": check,
}


def _compose(*words: str) -> int:
    return engine.compose(*words, environment=stack.environment())


def _docker(*words: str, quiet: bool = True) -> int:
    """Its errors on this terminal; the ids that it echoes are no news."""
    out = subprocess.DEVNULL if quiet else None
    return subprocess.run(["docker", *words], check=False, stdin=subprocess.DEVNULL, stdout=out).returncode


def main(arguments: list[str]) -> int:
    verb, *assignments = arguments or [""]
    if verb == "as":
        return _guarded(lambda: as_service(assignments))
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        os.environ[name] = value
    if verb not in VERBS:
        print(f"usage: runtime {'|'.join(VERBS)} [SERVICE=] [N=] [FORMAT=json] [PROFILES=]", file=sys.stderr)
        return 2
    return _guarded(lambda: VERBS[verb](os.environ.get("SERVICE", "")))


def _guarded(run: Callable[[], int]) -> int:
    try:
        engine.require()
        return run()
    except LocalError as error:
        print(f"error: {error}\n  next: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
