"""Services as processes of their own, as a deployment runs them: start, stop, kill, stall and ask each."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.support.eventually import eventually
from tests.support.ports import free_port

READY_TIMEOUT_S = 120.0  # of a machine that does much else
TIMEOUT_S = 30.0


class Process:
    """`python -m <module>` on a port of its own, which it keeps when it is started again."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.module, self.log = module, log
        self.port = free_port()
        self._environment = {**os.environ, **environment, "HTTP_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def spawn(self, **more: str) -> None:
        """`more` variables count from this start on."""
        self._environment |= more
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env=self._environment,
                stdout=log,
                stderr=log,
                pass_fds=[int(fd) for fd in (self._environment.get("HTTP_PUBLIC_FD"),) if fd],
            )

    async def ready(self) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:

            async def probe() -> bool:
                if not self.running:  # no AssertionError, which would mean "not yet"
                    raise RuntimeError(f"{self.module} has ended:\n{self.log.read_text()[-3000:]}")
                try:
                    return (await client.get(self.url + "/readyz")).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            await eventually(probe, timeout_s=READY_TIMEOUT_S)

    async def start(self, **more: str) -> None:
        self.spawn(**more)
        await self.ready()

    async def metric(self, line: str) -> float:
        """The value of one series, named as the page names it; 0 when it is not there."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            page = (await client.get(self.url + "/metrics")).text
        return next(
            (float(text.split()[1]) for text in page.splitlines() if text.startswith(line + " ")), 0.0
        )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def stall(self) -> None:
        """Its connections stay open and nothing answers."""
        self.signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.signal(signal.SIGCONT)

    async def gone(self) -> int:
        """Its exit status, once it has one."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, TIMEOUT_S)

    async def stop(self) -> int:
        """The graceful way; its exit status."""
        self.signal(signal.SIGTERM)
        return await self.gone()

    async def kill(self) -> None:
        """kill -9: a crash."""
        self.signal(signal.SIGKILL)
        await self.gone()

    async def close(self) -> None:
        if self._process is not None:
            await self.kill()


class Processes:
    """Any number of processes that are started and ended together."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.processes: list[Process] = []

    def add(self, module: str, **more: str) -> Process:
        """Not yet started."""
        log = self.folder / f"{module}-{len(self.processes)}.log"
        process = Process(module, self.environment | more, log)
        self.processes.append(process)
        return process

    async def start(self, module: str, *, count: int = 1, **more: str) -> list[Process]:
        started = [self.add(module, **more) for _ in range(count)]
        for process in started:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in started))
        return started

    async def close(self) -> None:
        await asyncio.gather(*(process.close() for process in self.processes))


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A plain connection, for what a test puts or looks up beside the service."""
    conn = await asyncpg.connect(dsn, timeout=TIMEOUT_S)
    try:
        yield conn
    finally:
        await conn.close(timeout=TIMEOUT_S)
