"""The writer's CPU time a million points, and what a point takes on disk (ADR-0018, ADR-0027)."""

import time
import urllib.request
from itertools import chain, islice

import httpx

from benchmarks._frame import Row, at_most, figure
from benchmarks._processes import LOAD_CORE, Process
from benchmarks.metrics_ingest import payloads
from benchmarks.metrics_ingest.sending import on_the_load_core, post
from benchmarks.metrics_ingest.stack import AUTHORIZED, Stack, cpu_s, running_stack, wait_stored

STEPS = 200
IDLE_S = 5.0
CPU_S_A_MILLION_MAX = 0.3
MERGED_WITHIN_S = 120.0


def measure_writer() -> list[Row]:
    """A log full of points, and a writer that starts: it has a core of its own to catch up on."""
    first_ms = int(time.time() * 1000) - 1_800_000
    source = payloads.bodies(payloads.REMOTE_WRITE_1, payloads.series(payloads.SERIES), first_ms)
    requests = list(chain.from_iterable(islice(source, STEPS)))
    millions = STEPS * payloads.SERIES / 1e6
    form = payloads.REMOTE_WRITE_1
    with (
        running_stack(victoria_core=LOAD_CORE) as stack,
        stack.receiver(core=LOAD_CORE) as receiver,
        on_the_load_core(),
    ):
        post(receiver.port, form.path, {**form.headers, **AUTHORIZED}, requests)
        with stack.writer() as writer:
            pids = (writer.pid, stack.victoria.pid, stack.servers.kafka.pid)
            began, started = [cpu_s(pid) for pid in pids], time.perf_counter()
            wait_stored(receiver.url, STEPS * payloads.SERIES)
            wall_s = time.perf_counter() - started
            writer_s, store_s, broker_s = (
                cpu_s(pid) - before for pid, before in zip(pids, began, strict=True)
            )
            stored, index_bytes = _on_disk(stack)
            resident_mb, idle_s = writer.resident_mb(), _idle(writer)
    return [
        at_most("the writer's CPU a million points", writer_s / millions, CPU_S_A_MILLION_MAX, unit="s"),
        figure("the writer's CPU a second with nothing to do", idle_s, unit="s"),
        figure("the store's CPU a million points", store_s / millions, unit="s"),
        figure("the broker's CPU a million points, read twice", broker_s / millions, unit="s"),
        figure("points behind the barrier, catching up", millions * 1e6 / wall_s, unit="points/s"),
        figure("a point in the log", sum(map(len, requests)) / millions / 1e6, unit="bytes"),
        figure("a point on disk, merged", stored, unit="bytes"),
        figure("a series in the index", index_bytes / payloads.SERIES, unit="bytes"),
        figure("the writer, resident", resident_mb, unit="MB"),
    ]


def _idle(writer: Process) -> float:
    """CPU seconds a second of polling, canaries and leases."""
    began = cpu_s(writer.pid)
    time.sleep(IDLE_S)
    return (cpu_s(writer.pid) - began) / IDLE_S


def _on_disk(stack: Stack) -> tuple[float, float]:
    """Bytes a point, and bytes of the index, once the store has nothing left to merge."""
    url = stack.victoria.address
    urllib.request.urlopen(f"{url}/internal/force_flush", timeout=60).close()  # noqa: S310 our own
    urllib.request.urlopen(f"{url}/internal/force_merge", timeout=60).close()  # noqa: S310
    deadline = time.monotonic() + MERGED_WITHIN_S
    figures = _figures(url)
    while time.monotonic() < deadline:
        time.sleep(1)
        before, figures = figures, _figures(url)
        merging = sum(v for name, v in figures.items() if name.startswith("vm_active_force_merges"))
        if not merging and figures["rows"] == before["rows"] and figures["data"] == before["data"]:
            return figures["data"] / figures["rows"], figures["index"]
    raise AssertionError(f"the store still merges after {MERGED_WITHIN_S:.0f} s")


def _figures(url: str) -> dict[str, float]:
    """The store's own account, parts in memory left out."""
    found: dict[str, float] = {"data": 0.0, "rows": 0.0, "index": 0.0}
    text = httpx.get(f"{url}/metrics", timeout=30).text
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("vm_active_force_merges"):
            found[name] = float(value)
        elif name.startswith('vm_data_size_bytes{type="storage/'):
            found["data"] += float(value)
        elif name.startswith('vm_rows{type="storage/'):
            found["rows"] += float(value)
        elif name.startswith('vm_data_size_bytes{type="indexdb'):
            found["index"] += float(value)
    return found
