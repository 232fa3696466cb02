"""Stands for all services under traffic: their metrics, exemplars and trace files."""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from tests.integration.observability import (
    synthetic_metrics,
    synthetic_orders,
    synthetic_payments,
    synthetic_shortener,
)
from tests.integration.observability.synthetic_process import Process

TICK_S = 0.25


def _server(process: Process) -> ThreadingHTTPServer:
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body: bytes = generate_latest(process.registry)  # type: ignore[no-untyped-call]
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """A scrape a second is no news."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Metrics)


class Fleet:
    """All processes on ports of their own, moving on until the block ends."""

    def __init__(self, traces: Path | None = None) -> None:
        self.processes: list[Process] = [
            synthetic_shortener.Replica("shortener", traces, 1),
            synthetic_shortener.Replica("shortener-2", traces, 2),
            synthetic_shortener.Worker("shortener-worker", traces, 3),
            synthetic_payments.Api("payments", traces, 4),
            synthetic_payments.Worker("payments-worker", traces, 5),
            synthetic_payments.Bank("bank", traces, 6),
            synthetic_orders.Api("orders", traces, 7),
            synthetic_orders.Worker("orders-worker", traces, 8),
            synthetic_orders.Inventory("inventory-worker", traces, 9),
            synthetic_orders.Notifications("notifications-worker", traces, 10),
            synthetic_metrics.Api("metrics-ingest", traces, 11),
            synthetic_metrics.Writer("metrics-writer", traces, 12),
        ]
        self.servers = [_server(process) for process in self.processes]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run)]
        self._threads += [threading.Thread(target=server.serve_forever) for server in self.servers]

    def targets(self) -> list[dict[str, Any]]:
        """Prometheus' file_sd groups, as the local runtime writes them."""
        return [
            {
                "targets": [f"127.0.0.1:{server.server_address[1]}"],
                "labels": {"job": process.name.removesuffix("-2"), "instance": process.name},
            }
            for process, server in zip(self.processes, self.servers, strict=True)
        ]

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            for process in self.processes:
                process.advance()

    def __enter__(self) -> Self:
        for process in self.processes:
            process.advance()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=Path, required=True, help="file_sd file to write")
    parser.add_argument("--traces", type=Path, help="folder for trace files")
    options = parser.parse_args()
    with Fleet(options.traces) as fleet:
        options.targets.write_text(json.dumps(fleet.targets()), encoding="utf-8")
        threading.Event().wait()


if __name__ == "__main__":
    main()
