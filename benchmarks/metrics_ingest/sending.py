"""A sender that costs next to nothing: bodies made beforehand, over a few connections kept open."""

import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection

from benchmarks._processes import load_core

CONNECTIONS = 4
TIMEOUT_S = 60.0
_SUCCESSES = range(200, 300)


@contextmanager
def on_the_load_core() -> Iterator[None]:
    """For whoever sends: stay off the core that is measured."""
    core = load_core()
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def post(port: int, path: str, headers: Mapping[str, str], bodies: Iterable[bytes]) -> float:
    """Seconds until the last of them was answered; anything but a success is an error."""
    waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    for _ in range(CONNECTIONS):
        waiting.put(None)
    failures: list[str] = []
    threads = [
        threading.Thread(target=_send, args=(port, path, headers, waiting, failures))
        for _ in range(CONNECTIONS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{path}: {len(failures)} requests failed, the first with {failures[0]}")
    return time.perf_counter() - started


def _send(
    port: int,
    path: str,
    headers: Mapping[str, str],
    waiting: "queue.SimpleQueue[bytes | None]",
    failures: list[str],
) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        while (body := waiting.get()) is not None:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in _SUCCESSES:
                failures.append(f"{answer.status}: {text[:300]!r}")
    except OSError as error:
        failures.append(repr(error))
    finally:
        connection.close()
