"""The part of the smoke test in which points are sent: through restarts of writer and store, and packets."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from infra.docker.smoke_tools import eventually, expect, runtime

NAME = "smoke_points"
TIMEOUT_S = 35.0


class Meters:
    def __init__(self, environment: Mapping[str, str]) -> None:
        # Filled by the step that starts the stack.
        self.environment = environment
        self.sent = 0

    # --- steps

    def writer_restart(self) -> str:
        with _Sender(self) as sender:
            runtime("restart", "SERVICE=metrics-writer")
        return f"writer restarted: {self._all_stored(sender)}"

    def store_restart(self) -> str:
        """Points are acknowledged all the while; the log bridges it."""
        with _Sender(self) as sender:
            runtime("restart", "SERVICE=victoriametrics")
        return f"store away and back: {self._all_stored(sender)}"

    def packets(self) -> str:
        """Their address is the holder's: a replica that restarts does not move it."""
        runtime("restart", "SERVICE=metrics-ingest")
        host, port = self.environment["STATSD_ADDR"].split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"smoke.packets:3|c", (host, int(port)))
        counted = eventually(lambda: self._value("sum(smoke_packets)"))
        expect(counted == "3", f"{counted} counted of 3")
        return "StatsD's packets are counted after a restart"

    def own_metrics(self) -> str:
        """Prometheus writes what it scrapes to where it can be asked for again."""
        if "PROMETHEUS_URL" not in self.environment:
            return "skipped: PROFILES leaves Prometheus out"
        found = eventually(lambda: int(self._value("count(up == 1)", key="METRICS_API_KEY_STACK")))
        return f"Prometheus wrote {found} targets that are up"

    def ledger(self) -> str:
        def balanced() -> str:
            found = self._ask("/api/v1/ledger", key="ADMIN_API_KEY")["tenants"]
            residues = {one["tenant"]: one["residue"] for one in found if one["residue"]}
            expect(not residues, f"points are missing: {residues}")
            return ", ".join(f"{one['tenant']} {one['stored']} stored" for one in found)

        return eventually(balanced)

    # --- helpers

    def send_one(self) -> str:
        """What was answered, as a word."""
        point = {"name": NAME, "labels": {"n": str(self.sent)}, "type": "gauge", "value": 1}
        self.sent += 1
        try:
            return f"{self._ask('/api/v1/points', {'points': [point]})['accepted']} accepted"
        except (OSError, ValueError) as error:
            return type(error).__name__

    def _all_stored(self, sender: "_Sender") -> str:
        expect(set(sender.answers) == {"1 accepted"}, f"points were not taken: {dict(sender.answers)}")

        def stored() -> str:
            found = self._value(f"count(last_over_time({NAME}[1h]))")
            expect(found == str(self.sent), f"{found} stored of {self.sent} points")
            return found

        return f"{eventually(stored)} points sent, all stored"

    def _value(self, expression: str, *, key: str = "METRICS_API_KEY") -> str:
        query = urlencode({"query": expression})
        return str(self._ask(f"/api/v1/query?{query}", key=key)["data"]["result"][0]["value"][1])

    def _ask(self, path: str, document: Any = None, *, key: str = "METRICS_API_KEY") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.environment[key]}", "Content-Type": "application/json"}
        body = None if document is None else json.dumps(document).encode()
        request = Request(f"{self.environment['METRICS_URL']}{path}", body, headers)  # noqa: S310 ours
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found


class _Sender:
    """Sends one point after the other until the block ends."""

    def __init__(self, meters: Meters) -> None:
        self.answers: Counter[str] = Counter()
        self._meters = meters
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._done.is_set():
            self.answers[self._meters.send_one()] += 1
            time.sleep(0.05)
