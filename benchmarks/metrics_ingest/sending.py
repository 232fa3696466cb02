"""A sender that costs next to nothing: bodies made beforehand, over a few connections kept open."""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection

from benchmarks._processes import load_core

CONNECTIONS = 5
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


def post(port: int, path: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> float:
    """Seconds until the last of them was answered; anything but a success is an error.

    Requests are dealt out in turn, as those of Prometheus' shards are: where their number at a moment is a
    multiple of the connections, a series keeps to one of them, and its samples stay in order.
    """
    failures: list[str] = []
    threads = [
        threading.Thread(target=_send, args=(port, path, headers, bodies[lane::CONNECTIONS], failures))
        for lane in range(CONNECTIONS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{path}: {len(failures)} requests failed, the first with {failures[0]}")
    return time.perf_counter() - started


def post_alone(port: int, path: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> list[float]:
    """Seconds of each, one at a time."""
    taken = []
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        for body in bodies:
            started = time.perf_counter()
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
            taken.append(time.perf_counter() - started)
            assert answer.status in _SUCCESSES, answer.status
    finally:
        connection.close()
    return taken


def _send(
    port: int, path: str, headers: Mapping[str, str], bodies: Sequence[bytes], failures: list[str]
) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        for body in bodies:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status not in _SUCCESSES:
                failures.append(f"{answer.status}: {text[:300]!r}")
    except OSError as error:
        failures.append(repr(error))
    finally:
        connection.close()
