"""Creates per second, with and without an Idempotency-Key."""

import subprocess
import tempfile
from pathlib import Path

from benchmarks._frame import Row, alternate, more_is_better
from benchmarks._processes import LOAD_CORE, pinned
from benchmarks.shortener.stack import TARGET, running_stack
from loadtests.wrk import parse_wrk

CONNECTIONS = 16
SECONDS = 3
ROUNDS = 3

# Every request has another body and another key: nothing is replayed.
SCRIPT = """
local headers = {{["Authorization"] = "Bearer {key}", ["Content-Type"] = "application/json"}}
local count, run = 0, "{run}"
function request()
  count = count + 1
  if {with_key} then headers["Idempotency-Key"] = run .. "-" .. count end
  return wrk.format("POST", "/v1/links", headers, '{{"url": "{url}&n=' .. run .. count .. '"}}')
end
"""


def measure_creates() -> list[Row]:
    with running_stack() as stack, stack.shortener() as worker:
        turns = iter(range(1000))

        def create(*, with_key: bool) -> float:
            values = {"key": stack.api_key, "run": f"r{next(turns)}", "url": TARGET}
            return _post_per_s(worker.url, SCRIPT.format(**values, with_key=str(with_key).lower()))

        create(with_key=False)
        rates = alternate(
            {"plain": lambda: create(with_key=False), "keyed": lambda: create(with_key=True)}, rounds=ROUNDS
        )
    name = "create with Idempotency-Key / without"
    return [more_is_better(name, rates["keyed"], rates["plain"], unit="1/s")]


def _post_per_s(url: str, script: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "create.lua"
        path.write_text(script)
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(path), url]
        done = subprocess.run(
            pinned(command, LOAD_CORE), capture_output=True, text=True, timeout=SECONDS + 30, check=True
        )
    result = parse_wrk(done.stdout)
    if result.errors:
        raise RuntimeError(f"{result.errors} creates were refused")
    return result.per_s
