"""wrk with forms: every request has its own number, so that no key and no customer is sent twice."""

import itertools
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks._processes import LOAD_CORE, Process, pinned
from loadtests.wrk import parse_wrk

CONNECTIONS = 16
_turns = itertools.count()

SCRIPT = """
local headers = {headers}
local count = 0
function request()
  count = count + 1
  local number = "{run}x" .. count
  if {keyed} then headers["Idempotency-Key"] = number end
  return wrk.format("POST", "{path}", headers, (string.gsub("{body}", "@n", number)))
end
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A closed loop on 16 connections; `cpu_ms`: the server's a request; `client`: how busy wrk was, 0..1."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    client: float


@dataclass(frozen=True, slots=True)
class Post:
    """`@n` in the body is the request's number. The run's name makes numbers unique over runs."""

    path: str
    body: str
    key: str = ""
    media_type: str = "application/x-www-form-urlencoded"
    keyed: bool = True

    def script(self) -> str:
        headers = {"Content-Type": self.media_type}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        table = "{" + ", ".join(f'["{name}"] = "{value}"' for name, value in headers.items()) + "}"
        return SCRIPT.format(
            headers=table,
            run=f"{os.getpid()}r{next(_turns)}",
            keyed=str(self.keyed).lower(),
            path=self.path,
            body=json.dumps(self.body)[1:-1],
        )


def post(process: Process, request: Post, *, seconds: int) -> Measured:
    """Raises when any answer is no success: a refusal is cheap, and would flatter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "post.lua"
        path.write_text(request.script())
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "20s"]
        return _measure(process, [*command, "-s", str(path), process.url], seconds)


def _measure(process: Process, command: list[str], seconds: int) -> Measured:
    cpu_before, client_before = process.cpu_s(), _children_cpu_s()
    done = subprocess.run(
        pinned(command, LOAD_CORE), capture_output=True, text=True, timeout=seconds + 60, check=True
    )
    client_s, cpu_s = _children_cpu_s() - client_before, process.cpu_s() - cpu_before
    result = parse_wrk(done.stdout)
    if result.errors:
        raise RuntimeError(f"{result.errors} refused:\n{process.log.read_text(errors='replace')[-2000:]}")
    return Measured(
        result.per_s, result.p50_ms, result.p99_ms, cpu_s / result.requests * 1000, client_s / seconds
    )


def _children_cpu_s() -> float:
    """Of those that ended: between two calls here, wrk alone."""
    times = os.times()
    return times.children_user + times.children_system
