"""A module of a service run by hand, with what its processes are given: `as SERVICE MODULE WORDS`."""

import os
import sys
from collections.abc import Sequence

from infra.local import catalog, paths, services, supervisor
from infra.local.catalog import Process
from infra.local.errors import LocalError


def become(words: Sequence[str]) -> None:
    """Replaces this process by it."""
    if len(words) < 2:  # noqa: PLR2004
        raise LocalError(
            "which service, and which module of it?", hint="as orders-worker orders.deadletters list"
        )
    if not supervisor.alive():
        raise LocalError("nothing runs", hint="make up")
    name, *command = words
    environment = services.environment(Process(catalog.program(name)))
    # What belongs to the process whose place it takes: its socket and its file of spans.
    for taken in ("HTTP_PUBLIC_FD", "TRACE_FILE"):
        environment.pop(taken, None)
    os.chdir(paths.ROOT)
    os.execvpe(sys.executable, [sys.executable, "-m", *command], {**os.environ, **environment})  # noqa: S606
