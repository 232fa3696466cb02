"""Server processes for benchmarks: started on a free port, pinned to a core, ended by their own handle."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import psutil

from tests.support.ports import free_port

START_TIMEOUT_S = 30.0
SERVER_CORE, LOAD_CORE = 0, 1
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Process:
    """A running HTTP server."""

    url: str
    pid: int
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def resident_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        return float(psutil.Process(self.pid).memory_info().rss) / 1e6

    def cpu_s(self) -> float:
        """CPU time so far: it stays the same when other programs take turns on the core."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def python_server(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    ready_path: str = "/healthz",
    port: int | None = None,
    core: int = SERVER_CORE,
    python: str = sys.executable,
) -> Iterator[Process]:
    """`{port}` in the arguments is replaced; the environment adds to this process's own."""
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="signalbox-bench-"))
    log = folder / "log"
    words = [word.replace("{port}", str(port)) for word in arguments]
    command = pinned([python, *words], core)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(process, port, ready_path, log)
        yield Process(url, process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)


def pinned(command: Sequence[str], core: int) -> list[str]:
    """On a machine of one core nothing can be pinned apart; the command stays as it is."""
    if (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        return list(command)
    return ["taskset", "-c", str(core), *command]


def pin(pid: int) -> None:
    """To the load's core, with children and threads: a JVM has them already, Postgres forks more later."""
    if (os.cpu_count() or 1) < 2:
        return
    parent = psutil.Process(pid)
    for process in [parent, *parent.children(recursive=True)]:
        for thread in _threads(process.pid):
            try:
                os.sched_setaffinity(thread, {LOAD_CORE})
            except ProcessLookupError:
                continue


def _threads(pid: int) -> Sequence[int]:
    try:
        return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []  # it ended meanwhile


def load_core() -> int | None:
    return LOAD_CORE if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else None


def answers(port: int, path: str) -> bool:
    """Any answer below 500 counts, a redirect too; nothing is followed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < HTTPStatus.INTERNAL_SERVER_ERROR
    except OSError:
        return False
    finally:
        connection.close()


def _wait_ready(process: "subprocess.Popen[bytes]", port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(port, path):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
