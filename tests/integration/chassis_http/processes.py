"""Starts `served.py` as real processes and keeps asking them, the way a client with keep-alive does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.eventually import eventually

PROGRAM = Path(__file__).with_name("served.py")


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, object]]:
        text = self.log.read_text().splitlines()
        return [json.loads(line) for line in text if line.startswith("{") and line.endswith("}")]

    def events(self) -> list[object]:
        return [line["event"] for line in self.lines()]

    async def port(self) -> int:
        """The direct port, once the process serves."""

        def started() -> int | None:
            assert self.process.poll() is None, self.log.read_text()
            for line in self.lines():
                address = line.get("address")
                if line["event"] == "server.started" and isinstance(address, list):
                    return int(address[1])
            return None

        found = await eventually(started, timeout_s=30)
        assert found is not None
        return found

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exit_code(self) -> int:
        return await asyncio.to_thread(self.process.wait, 30)


@contextmanager
def served(folder: Path, kind: str = "http", *, shared_fd: int | None = None, **env: str) -> Iterator[Served]:
    log = folder / f"{kind}-{len(list(folder.iterdir()))}.log"
    variables = {**os.environ, "HTTP_PORT": "0", "LOG_LEVEL": "info", "ACCESS_LOG": "errors", **env}
    if shared_fd is not None:
        variables["HTTP_PUBLIC_FD"] = str(shared_fd)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), kind],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=variables,
            pass_fds=() if shared_fd is None else (shared_fd,),
        )
    try:
        yield Served(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


@dataclass
class Tally:
    """What clients met: answers by status, every failure in words, connections that were asked to close."""

    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    closed: int = 0


class Client:
    """Sends one request after another, without pause and without a retry, over one connection at a time."""

    def __init__(self, port: int, tally: Tally, *, reconnect: bool) -> None:
        self._port = port
        self._tally = tally
        self._reconnect = reconnect
        self.stopping = False

    async def run(self) -> None:
        while not self.stopping:
            try:
                await self._connection()
            except (OSError, EOFError) as error:
                self._tally.failures.append(repr(error))
                return
            if not self._reconnect:
                return

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while not self.stopping:
                writer.write(b"GET /fast HTTP/1.1\r\nHost: test\r\n\r\n")
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
                lines = head.lower().split(b"\r\n")
                await reader.readexactly(
                    next(int(x[16:]) for x in lines if x.startswith(b"content-length: "))
                )
                self._tally.answers[int(lines[0].split()[1])] += 1
                if b"connection: close" in lines:
                    self._tally.closed += 1
                    return
        finally:
            writer.close()


@asynccontextmanager
async def load(port: int, *, clients: int, reconnect: bool = True) -> AsyncIterator[Tally]:
    """Clients under way inside; at the end each finishes the request it is in, or all its requests."""
    tally = Tally()
    crowd = [Client(port, tally, reconnect=reconnect) for _ in range(clients)]
    running = asyncio.gather(*(client.run() for client in crowd))
    try:
        yield tally
    finally:
        for client in crowd:
            client.stopping = reconnect
        await asyncio.wait_for(running, 30)
