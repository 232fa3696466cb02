"""Servers that all xdist workers of a run share: the first to ask starts one, the controller ends them."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from infra.local import account
from tests.support.servers import Handle

RUN_VARIABLE = "SIGNALBOX_TEST_RUN"


def base() -> Path:
    """A folder that the Postgres account can reach too; pytest's own temporary folders have mode 700."""
    for candidate in (Path(tempfile.gettempdir()), Path("/var/tmp")):  # noqa: S108  (the run folder's name is unique)
        if account.reaches(candidate / "x"):
            return candidate / f"signalbox-tests-{os.geteuid()}"
    raise AssertionError("no temporary folder that the Postgres account can enter: set TMPDIR to one")


class SharedServers:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Handle] = []

    @classmethod
    def of_new_run(cls) -> "SharedServers":
        """Called by the controller, before any worker exists; also ends what killed runs left behind."""
        parent = base()
        parent.mkdir(mode=0o755, exist_ok=True)
        for left in parent.iterdir():
            if left.is_dir() and not _alive(left):
                cls(left).close()
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
        folder.chmod(0o755)
        (folder / "owner").write_text(json.dumps([os.getpid(), psutil.Process().create_time()]))
        os.environ[RUN_VARIABLE] = str(folder)
        return cls(folder)

    @classmethod
    def of_this_run(cls) -> "SharedServers":
        return cls(Path(os.environ[RUN_VARIABLE]))

    def address(self, name: str, make: Callable[[Path], Handle]) -> str:
        with self._locked(name):
            note = self.folder / f"{name}.json"
            if not note.exists():
                server = make(self.folder / name)
                server.start()
                self._started.append(server)
                note.write_text(json.dumps({"address": server.address, "pid": server.pid}))
            return str(json.loads(note.read_text())["address"])

    def own_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def close(self) -> None:
        """Ends every process whose command line or working data lies in this run's folder."""
        mark = str(self.folder)
        for process in psutil.process_iter(["cmdline"]):
            if any(mark in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid():
                _kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _alive(folder: Path) -> bool:
    try:
        pid, created = json.loads((folder / "owner").read_text())
        return bool(psutil.Process(pid).create_time() == created)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def _kill(process: psutil.Process) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=10)
