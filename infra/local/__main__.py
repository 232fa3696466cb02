"""The local runtime's verbs: `python -m infra.local VERB`, options in SERVICE, N and FORMAT."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.local import paths, views
from infra.local.errors import LocalError
from infra.local.progress import say

_CHANGING = ("up", "stop", "clean", "scale", "restart")


def _run(verb: str) -> None:
    if verb in _CHANGING:
        _change(verb, os.environ.get("SERVICE", ""))
        return
    match verb:
        case "status":
            views.status()
        case "env":
            views.env()
        case "logs":
            views.logs(os.environ.get("SERVICE", ""))
        case "as":
            from infra.local import oneoff

            oneoff.become(sys.argv[2:])
        case _:
            raise LocalError(f"no such verb: {verb}", hint="make help")


def _change(verb: str, service: str) -> None:
    # Here, since scripts ask for `status` and `env` again and again, which need none of it.
    from infra.local import scaling, starting, stopping

    match verb:
        case "up":
            starting.up(service)
        case "stop":
            stopping.stop(service)
        case "clean":
            stopping.clean()
        case "scale":
            scaling.scale(service, os.environ.get("N", ""))
        case _:
            scaling.restart(service)


@contextmanager
def _alone(verb: str) -> Iterator[None]:
    """Two terminals that change the stack at once would each see half of it."""
    if verb not in _CHANGING:
        yield
        return
    paths.RUN.mkdir(mode=0o755, exist_ok=True)
    with (paths.RUN / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another make that changes the stack")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        with _alone(verb):
            _run(verb)
    except LocalError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"  next: {error.hint}")
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        say("\ninterrupted; run it again to go on from here, or `make stop`")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
