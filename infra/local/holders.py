"""Who holds a port, and what an earlier run left behind."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterable, Sequence

import psutil

from infra.local import paths, supervisor
from infra.local.catalog import Process, Program
from infra.local.errors import LocalError

_END_TIMEOUT_S = 10


def require_free(processes: Sequence[Process]) -> None:
    """Raises LocalError for the first port that somebody else listens on."""
    for process in processes:
        _require_free(process.port, process)


def require_free_public(programs: Sequence[Program]) -> None:
    for program in programs:
        if program.shares_socket:
            _require_free(program.port(0), Process(program))


def _require_free(port: int, process: Process) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            variable = process.program.port_variable
            raise LocalError(
                f"port {port}, wanted by {process.name}, is taken{_holder(port)}",
                hint=f"end that program, or choose another: {variable}=<port> make up (or a line in .env)",
            ) from None


def _holder(port: int) -> str:
    try:
        for found in psutil.net_connections("tcp"):
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid:
                return f" by {psutil.Process(found.pid).name()} (pid {found.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return " by another program (root can see which: ss -ltnp)"


def leftovers() -> list[psutil.Process]:
    """Processes of this checkout that no living supervisor owns: children of one that was killed."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _ours(p)]


def _ours(process: psutil.Process) -> bool:
    """All descend from the supervisor and inherit its mark."""
    try:
        return process.environ().get(supervisor.MARK) == str(paths.RUN)
    except (psutil.Error, OSError):
        return False


def end(processes: Iterable[psutil.Process]) -> None:
    """Politely, then not."""
    left = list(processes)
    for last_word in (False, True):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL if last_word else _polite(process))
        _, left = psutil.wait_procs(left, timeout=_END_TIMEOUT_S)
        if not left:
            return


def _polite(process: psutil.Process) -> signal.Signals:
    """At SIGTERM Postgres waits for its clients to leave; SIGINT is its fast shutdown."""
    return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
