"""Takes the stack, or one part of it, down, and on demand its data with it."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from infra.local import catalog, daemon, holders, paths, prepare, replicas, supervisor
from infra.local.catalog import Process, Program
from infra.local.errors import LocalError
from infra.local.progress import say, step

_POLL_S = 0.05


def stop(service: str) -> None:
    if service:
        daemon.require()
        for process in reversed(replicas.named(service)):
            with step(f"stopping {process.name}"):
                supervisor.stop(process)
        return
    if supervisor.alive():
        # Callers before those they call: what they hold goes to somebody who still answers.
        # Prometheus writes to metrics-ingest.
        _stop_programs((catalog.PROMETHEUS,))
        for layer in reversed(catalog.LAYERS):
            _stop_programs(layer)
        _stop_programs(catalog.SERVERS)
        with step("stopping the supervisor"):
            daemon.shut_down()
    left = holders.leftovers()
    if left:
        with step(f"ending {len(left)} processes that were left over"):
            holders.end(left)
    if still := holders.leftovers():
        pids = " ".join(str(process.pid) for process in still)
        raise LocalError(
            f"these processes could not be ended: {pids}", hint="end them as the user who owns them"
        )
    daemon.forget()
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
    return [
        p
        for p in catalog.processes()
        if states[p.supervised_name]["statename"] in (*supervisor.LIVE, "STOPPING")
    ]


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
