"""Real servers for tests: local processes that a test can stop, kill, pause and start again."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import psutil

from infra.local import kafka, postgres, redis
from tests.support.ports import free_port

PASSWORD = "for-tests-only"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
START_ATTEMPTS = 3


class Handle(Protocol):
    """What a chaos test does to a server, wherever it runs."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def pid(self) -> int: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...


class Server(ABC):
    """Blocking, as processes are: from a coroutine call `await asyncio.to_thread(server.stop)`.

    The address stays the same over restarts, the data too.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.settings = dict(settings or {})
        self.port = free_port()
        self.log = folder / "log"
        self._process: psutil.Popen | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """What a client needs: a DSN, a URL or host:port."""

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _ready(self) -> bool: ...

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{type(self).__name__} was never started"
        return int(self._process.pid)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it and waits until it answers; a first start tries another port if this one is taken."""
        first = self._process is None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for attempt in range(START_ATTEMPTS):
            self._spawn()
            if self._wait_ready():
                return
            self.kill()
            if not first or attempt == START_ATTEMPTS - 1:
                break
            self.port = free_port()
        raise AssertionError(f"{type(self).__name__} did not start:\n{self.log.read_text()[-2000:]}")

    def _spawn(self) -> None:
        self._prepare()
        with self.log.open("ab") as log:
            # A group of its own: Ctrl-C on pytest must leave the order of stopping to the fixtures.
            self._process = psutil.Popen(
                self._command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )

    def _wait_ready(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.running:
            if self._ready():
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """The graceful way, as an operator or an orchestrator stops it."""
        self._signal(self.stop_signal, tree=False)
        self._wait_gone()

    def kill(self) -> None:
        """kill -9 of the server and all its children: a crash."""
        self._signal(signal.SIGKILL, tree=True)
        self._wait_gone()

    def pause(self) -> None:
        """Connections stay open and nothing answers: what a partition or a full disk looks like."""
        self._signal(signal.SIGSTOP, tree=True)

    def resume(self) -> None:
        self._signal(signal.SIGCONT, tree=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends it at once and removes its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals, *, tree: bool) -> None:
        if self._process is None or not self.running:
            return
        family = [self._process, *(self._process.children(recursive=True) if tree else [])]
        for process in family:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue

    def _wait_gone(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT_S)
            raise AssertionError(f"{type(self).__name__} did not stop within {STOP_TIMEOUT_S} s") from None


class Postgres(Server):
    """`address` is the administrator's DSN on the database `postgres`."""

    stop_signal = signal.SIGINT  # fast shutdown: it does not wait for clients to leave

    @property
    def address(self) -> str:
        return self.dsn("postgres")

    def dsn(self, database: str) -> str:
        return f"postgresql://{postgres.ADMIN}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _prepare(self) -> None:
        postgres.prepare(self.folder / "data", password=PASSWORD)

    def _command(self) -> list[str]:
        return postgres.command(self.folder / "data", self.port, self.settings)

    def _ready(self) -> bool:
        return postgres.ready(self.port)


class Redis(Server):
    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _prepare(self) -> None: ...

    def _command(self) -> list[str]:
        # Its command line must keep naming its folder: that is how a killed run's servers are found.
        return redis.command(self.folder / "data", self.port, {"set-proc-title": "no", **self.settings})

    def _ready(self) -> bool:
        return redis.ready(self.port)


class Kafka(Server):
    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, settings)
        self._controller_port = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        kafka.prepare(self.folder / "data", self.port, self._controller_port, self.settings)

    def _command(self) -> list[str]:
        return kafka.command(self.folder / "data")

    def _ready(self) -> bool:
        return kafka.ready(self.port)
