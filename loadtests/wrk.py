"""wrk beside our figures: the same paths in a closed loop, paced to the same rate and flat out."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
WHY = (
    "wrk is a closed loop: each connection sends its next request only after an answer, so while the "
    "server stalls wrk asks nothing. It then fills in the requests that it thinks it missed, from the mean "
    "interval of a connection: a guess made after the fact, where the open schedule measures each one. "
    "Paced by a think time, wrk stays near the rate of our schedule while answers are fast. Flat out it "
    "finds the throughput that the server can hold; its latency there is the queue of its own connections."
)
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class WrkError(RuntimeError):
    """wrk is missing or its output was not understood."""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """Latencies in ms as wrk counts them, from the actual send."""

    per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    requests: int
    errors: int


def run_wrk(
    url: str,
    paths: Sequence[str],
    *,
    duration_s: float,
    connections: int = CONNECTIONS,
    rate_per_s: float | None = None,
    headers: Sequence[str] = (),
    pin_core: int | None = None,
) -> WrkResult:
    """`rate_per_s` spreads the sends by a think time per connection; None means flat out."""
    if shutil.which("wrk") is None:
        raise WrkError("wrk is not installed: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        script.write(lua_script(paths, connections=connections, rate_per_s=rate_per_s))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(duration_s))}s", "--latency"]
        command += ["--timeout", "10s", "-s", script.name]
        command += [argument for header in headers for argument in ("-H", header)]
        if pin_core is not None:
            command = ["taskset", "-c", str(pin_core), *command]
        done = subprocess.run(  # noqa: S603 - fixed words and a checked loopback URL
            [*command, url], capture_output=True, text=True, timeout=duration_s + 30, check=False
        )
    if done.returncode:
        raise WrkError(done.stderr.strip() or done.stdout.strip())
    return parse_wrk(done.stdout)


def lua_script(paths: Sequence[str], *, connections: int, rate_per_s: float | None) -> str:
    """Requests are made once, at start; a random one is sent each time."""
    quoted = ",".join(f'"{path}"' for path in paths)
    pacing = ""
    if rate_per_s is not None:
        think_ms = max(0, round(connections / rate_per_s * 1000))
        pacing = f"function delay() return math.random(0, {2 * think_ms}) end\n"
    return (
        f"local paths = {{{quoted}}}\nlocal ready = {{}}\n"
        "function init() for i, path in ipairs(paths) do ready[i] = wrk.format('GET', path) end end\n"
        "function request() return ready[math.random(#ready)] end\n" + pacing
    )


def parse_wrk(output: str) -> WrkResult:
    def latency(label: str) -> float:
        found = re.search(rf"^\s+{label}\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
        if found is None:
            raise WrkError(f"no {label} in the output of wrk")
        return float(found[1]) * _UNITS_MS[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    longest = re.search(r"Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\s", output)
    total = re.search(r"(\d+) requests in ", output)
    if rate is None or longest is None or total is None:
        raise WrkError("no rate in the output of wrk")
    return WrkResult(
        per_s=float(rate[1]),
        p50_ms=latency("50%"),
        p90_ms=latency("90%"),
        p99_ms=latency("99%"),
        max_ms=float(longest[1]) * _UNITS_MS[longest[2]],
        requests=int(total[1]),
        errors=_errors(output),
    )


def save_script(paths: Sequence[str], folder: Path) -> Path:
    """For repeating the cross-check by hand."""
    script = folder / "wrk.lua"
    script.write_text(lua_script(paths, connections=CONNECTIONS, rate_per_s=None))
    return script


def _errors(output: str) -> int:
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return (int(statuses[1]) if statuses else 0) + (sum(map(int, sockets.groups())) if sockets else 0)
