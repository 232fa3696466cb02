"""A dashboard's questions through the service, and straight to the store: p50 and p99 (ADR-0018)."""

import time
from collections.abc import Mapping
from itertools import chain, islice

import httpx
import numpy as np

from benchmarks._frame import Row, less_is_better
from benchmarks._processes import LOAD_CORE
from benchmarks.metrics_ingest import payloads
from benchmarks.metrics_ingest.sending import on_the_load_core, post
from benchmarks.metrics_ingest.stack import AUTHORIZED, TENANT, running_stack, wait_stored

SERIES = 2_000
STEPS, STEP_MS = 240, 15_000
WARM_UP, TIMES = 20, 300
TIMEOUT_S = 30.0
_RATE = 'rate(http_server_requests_total{region="eu-central-1"}[5m])'


def measure_queries() -> list[Row]:
    """An hour of series, scraped every 15 s; one question at a time, through us and directly in turn."""
    last_ms = int(time.time() * 1000)
    source = payloads.bodies(
        payloads.REMOTE_WRITE_1,
        payloads.series(SERIES),
        last_ms - STEPS * STEP_MS,
        step_ms=STEP_MS,
    )
    with (
        running_stack(victoria_core=LOAD_CORE) as stack,
        stack.receiver() as ours,
        stack.writer(),
        on_the_load_core(),
    ):
        form = payloads.REMOTE_WRITE_1
        requests = list(chain.from_iterable(islice(source, STEPS)))
        post(ours.port, form.path, {**form.headers, **AUTHORIZED}, requests)
        wait_stored(ours.url, STEPS * SERIES)
        return _ask_all(ours.url, stack.victoria.address, last_ms / 1000)


def _ask_all(ours: str, store: str, now_s: float) -> list[Row]:
    over_range = {"start": str(now_s - 3_600), "end": str(now_s), "step": "15"}
    questions: dict[str, tuple[str, dict[str, str]]] = {
        "rate of 1,000 series now": (
            "/api/v1/query",
            {"query": f"sum by (status) ({_RATE})", "time": str(now_s)},
        ),
        "rate of 1,000 series over an hour": (
            "/api/v1/query_range",
            {"query": f"sum by (method) ({_RATE})", **over_range},
        ),
        "values of a label": ("/api/v1/label/status/values", {"start": over_range["start"]}),
    }
    rows = []
    with (
        httpx.Client(base_url=ours, headers=AUTHORIZED, timeout=TIMEOUT_S) as through,
        httpx.Client(base_url=store, timeout=TIMEOUT_S) as direct,
    ):
        for name, (path, form) in questions.items():
            filtered = {**form, "extra_filters[]": f'{{signalbox_tenant="{TENANT}"}}', "nocache": "1"}
            taken = [
                (_ask(through, path, form), _ask(direct, path, filtered)) for _ in range(WARM_UP + TIMES)
            ]
            took = np.array(taken[WARM_UP:]) * 1000
            for rank in (50, 99):
                mine, other = np.percentile(took, rank, axis=0)
                rows.append(
                    less_is_better(f"{name}, p{rank}: through us / the store alone", mine, other, unit="ms")
                )
    return rows


def _ask(client: httpx.Client, path: str, form: Mapping[str, str]) -> float:
    """Seconds."""
    started = time.perf_counter()
    answer = client.get(path, params=dict(form))
    seconds = time.perf_counter() - started
    assert answer.status_code == 200, answer.text[:300]
    assert answer.json()["data"], "there is something to answer"
    return seconds
