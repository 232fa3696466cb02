"""An open-schedule generator for rates beyond a Locust worker: raw sockets, one request at a time on each.

`python -m benchmarks._openloop` reads a plan as a line of JSON and writes a line of results; it
runs in a process of its own, on the core of the load.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from benchmarks._processes import LOAD_CORE, ROOT, pinned
from loadtests.recorder import new_histogram, to_us

TICK_S = 0.001
DRAIN_S = 5.0
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """`from_s`: what is due earlier is sent but not counted.

    With a `form` every request is a POST of it, of whatever media type; `{n}` in the form and in the headers
    is its number.
    """

    port: int
    paths: Sequence[str]
    rate_per_s: float
    duration_s: float
    connections: int = 64
    from_s: float = 0.5
    form: str = ""
    media_type: str = "application/x-www-form-urlencoded"
    headers: Sequence[str] = (f"User-Agent: {BROWSER}",)


@dataclass(frozen=True, slots=True)
class Result:
    """Latency in ms from the intended start; `lag_p99_ms` is the generator's own lateness."""

    sent: int
    answered: int
    server_errors: int
    dropped: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    lag_p99_ms: float


class Connection(asyncio.Protocol):
    """One request in flight at a time; an answer ends with its head, or as many bytes later as it says."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.due_at = 0.0
        self.rest = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.run.free.append(self)

    def send(self, request: bytes, due_at: float) -> None:
        assert self.transport is not None
        self.due_at = due_at
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        if not _is_whole(data):
            self.rest = data
            return
        self.rest = b""
        due_at, self.due_at = self.due_at, 0.0
        self.run.answered(due_at, is_server_error=data[9:10] == b"5")
        self.run.release(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.run.lost(self)


def _is_whole(data: bytes) -> bool:
    head_end = data.find(HEAD_END)
    if head_end < 0:
        return False
    length = LENGTH.search(data, 0, head_end)
    return len(data) >= head_end + len(HEAD_END) + (int(length[1]) if length else 0)


class Run:
    """Sends what is due, remembers what waits for a connection, records each answer."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.free: list[Connection] = []
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.latency, self.lag = new_histogram(), new_histogram()
        self.sent = self.answers = self.server_errors = self.dropped = 0
        self.started_at = 0.0
        self.head = "\r\n".join([f"Host: 127.0.0.1:{plan.port}", *plan.headers])
        self.requests = [f"GET {path} HTTP/1.1\r\n{self.head}\r\n\r\n".encode() for path in plan.paths]

    async def execute(self) -> Result:
        loop = asyncio.get_running_loop()
        for _ in range(self.plan.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.plan.port)
        self.started_at = time.perf_counter()
        total = round(self.plan.rate_per_s * self.plan.duration_s)
        number = 0
        while number < total:
            now = time.perf_counter()
            due = min(total, int((now - self.started_at) * self.plan.rate_per_s) + 1)
            while number < due:
                self._start(number, now)
                number += 1
            await asyncio.sleep(TICK_S)
        deadline = time.perf_counter() + DRAIN_S
        while self.answers + self.dropped < self.sent and time.perf_counter() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(TICK_S)
        return self._result()

    def _start(self, number: int, now: float) -> None:
        due_at = self.started_at + number / self.plan.rate_per_s
        self.sent += 1
        self.lag.record_value(to_us(now - due_at))
        request = self._post(number) if self.plan.form else self.requests[number % len(self.requests)]
        if self.free:
            self.free.pop().send(request, due_at)
        else:
            self.waiting.append((request, due_at))

    def _post(self, number: int) -> bytes:
        form = self.plan.form.replace("{n}", str(number))
        head = self.head.replace("{n}", str(number))
        path = self.plan.paths[number % len(self.plan.paths)]
        form_head = f"Content-Type: {self.plan.media_type}\r\nContent-Length: {len(form)}"
        return f"POST {path} HTTP/1.1\r\n{head}\r\n{form_head}\r\n\r\n{form}".encode()

    def release(self, connection: Connection) -> None:
        if self.waiting:
            connection.send(*self.waiting.popleft())
        else:
            self.free.append(connection)

    def answered(self, due_at: float, *, is_server_error: bool) -> None:
        self.answers += 1
        if due_at - self.started_at >= self.plan.from_s:
            self.latency.record_value(to_us(time.perf_counter() - due_at))
            self.server_errors += is_server_error

    def lost(self, connection: Connection) -> None:
        if connection.due_at:
            self.dropped += 1
        elif connection in self.free:
            self.free.remove(connection)

    def _result(self) -> Result:
        def at(rank: float) -> float:
            return float(self.latency.get_value_at_percentile(rank) / 1000)

        lag_p99_ms = float(self.lag.get_value_at_percentile(99) / 1000)
        dropped = self.sent - self.answers
        return Result(
            self.sent, self.answers, self.server_errors, dropped, at(50), at(99), at(100), lag_p99_ms
        )


def start(plan: Plan) -> "subprocess.Popen[str]":
    """The generator as a process, so that the caller can break things meanwhile; end it with `finish`."""
    process = subprocess.Popen(
        pinned([sys.executable, "-m", "benchmarks._openloop"], LOAD_CORE),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(plan)) + "\n")
    process.stdin.flush()
    return process


def finish(process: "subprocess.Popen[str]", plan: Plan) -> Result:
    try:
        output, _ = process.communicate(timeout=plan.duration_s + DRAIN_S + 20)
    finally:
        process.kill()
    return Result(**json.loads(output))


def run(plan: Plan) -> Result:
    return finish(start(plan), plan)


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(Run(plan).execute()))))


if __name__ == "__main__":
    main()
