"""What telemetry costs a request: no spans, one in a hundred, all of them (ADR-0019)."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks._frame import Row, alternate, figure, less_is_better
from benchmarks._processes import Process, load_core, python_server
from loadtests.wrk import run_wrk
from tests.support.ports import free_port

RATIOS = ("0", "0.01", "1")
SECONDS = 2.0
ROUNDS = 3
CONNECTIONS = 32


def measure() -> list[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        processes = {ratio: stack.enter_context(_edge(ratio, folder)) for ratio in RATIOS}
        processes["plain"] = stack.enter_context(_plain())
        costs = alternate({name: _cost_of(process) for name, process in processes.items()}, rounds=ROUNDS)
    none, ratio, full = (costs[name] for name in RATIOS)
    return [
        less_is_better("request with 1 % sampled / no spans", ratio, none, unit="us CPU", goal=0.85),
        less_is_better("request with all sampled / no spans", full, none, unit="us CPU"),
        less_is_better("the whole edge, 1 % sampled / plain FastAPI", ratio, costs["plain"], unit="us CPU"),
        figure("spans of one sampled request", full - none, unit="us CPU"),
    ]


def _cost_of(process: Process) -> Callable[[], float]:
    """CPU microseconds of the worker per request: steadier than a rate on a machine that others use too."""

    def cost() -> float:
        before_s = process.cpu_s()
        result = run_wrk(
            process.url, ["/ping"], duration_s=SECONDS, connections=CONNECTIONS, pin_core=load_core()
        )
        if result.errors:
            raise RuntimeError(f"{result.errors} requests failed")
        return (process.cpu_s() - before_s) / result.requests * 1e6

    return cost


@contextmanager
def _edge(ratio: str, folder: Path) -> Iterator[Process]:
    port = free_port()
    environment = {
        "HTTP_PORT": str(port),
        "TRACE_SAMPLE_RATIO": ratio,
        "TRACE_FILE": str(folder / f"{port}.jsonl"),
    }
    with python_server(["-m", "benchmarks.chassis.telemetry_app"], environment, port=port) as process:
        yield process


@contextmanager
def _plain() -> Iterator[Process]:
    words = "-m uvicorn benchmarks.chassis.plain_app:app --loop uvloop --http httptools --no-access-log"
    command = [*words.split(), "--port", "{port}"]
    with python_server(command, {}, ready_path="/ping") as process:
        yield process
