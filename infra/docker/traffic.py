"""People who follow short links: a few threads on keep-alive connections, with every answer counted."""

import http.client
import json
import statistics
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_MOVED = frozenset({301, 302, 307, 308})


@dataclass
class Tally:
    """What one stretch of traffic saw; `failed` holds whatever was not a redirect."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def served(self) -> int:
        return len(self.latencies_ms)

    def __str__(self) -> str:
        if self.served < 2:  # noqa: PLR2004
            return f"{self.served} redirects, {self.failed.total()} failed"
        cuts = statistics.quantiles(self.latencies_ms, n=100)
        spread = f"p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms"
        return f"{self.served} redirects, {self.failed.total()} failed, {spread}"


class Shortener:
    """The management API, as far as a smoke test needs it."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url).netloc
        self._key = key

    def create(self, target: str) -> dict[str, Any]:
        return self._call("POST", "/v1/links", {"url": target}, 201)

    def stats(self, link_id: str) -> dict[str, Any]:
        return self._call("GET", f"/v1/links/{link_id}/stats", None, 200)

    def _call(self, method: str, path: str, body: dict[str, Any] | None, expected: int) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": str(uuid.uuid4())} if body else {}
        conn = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            conn.request(method, path, json.dumps(body) if body else None, headers)
            answer = conn.getresponse()
            text = answer.read()
        finally:
            conn.close()
        if answer.status != expected:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        found: dict[str, Any] = json.loads(text)
        return found


class Crowd:
    """Visits `paths` in turn from `people` threads between `with` and its end."""

    def __init__(self, url: str, paths: list[str], people: int = 4) -> None:
        self.tally = Tally()
        self._address = urlsplit(url).netloc
        self._paths = paths
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._visit, args=(n,), daemon=True) for n in range(people)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S * 2)

    def once(self) -> bool:
        """One visit on a new connection; whether it was answered as it should be."""
        conn = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        self._one(conn, self._paths[0])
        conn.close()
        return not self.tally.failed

    def _visit(self, turn: int) -> None:
        conn = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        while not self._done.is_set():
            self._one(conn, self._paths[turn % len(self._paths)])
            turn += 1
            # A brisk pace, not a load test: the machine has other work.
            self._done.wait(0.005)
        conn.close()

    def _one(self, conn: http.client.HTTPConnection, path: str) -> None:
        began = time.perf_counter()
        try:
            conn.request("GET", path, headers={"User-Agent": BROWSER})
            answer = conn.getresponse()
            answer.read()
            outcome = str(answer.status)
            moved = answer.status in _MOVED
        except (OSError, http.client.HTTPException) as error:
            conn.close()
            outcome, moved = type(error).__name__, False
        with self._lock:
            if moved:
                self.tally.latencies_ms.append((time.perf_counter() - began) * 1000)
            else:
                self.tally.failed[outcome] += 1
