"""What the shortener needs to be measured: real Postgres, Redis and Kafka, migrated, seeded, with links."""

import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks._processes import LOAD_CORE, ROOT, Process, python_server
from benchmarks._servers import Servers, running_servers
from tests.support.ports import free_port
from tests.support.servers import Kafka, Postgres, Redis

LINKS = 1_000
TARGET = "https://example.com/articles/2026/11/a-page-with-a-name-of-usual-length?ref=bench"


@dataclass(frozen=True, slots=True)
class Stack:
    """Running servers; `environment` is what a shortener process reads."""

    postgres: Postgres
    redis: Redis
    kafka: Kafka
    environment: Mapping[str, str]
    api_key: str

    def shortener(self, **settings: str) -> AbstractContextManager[Process]:
        """One worker on the server's core, with full telemetry and a real producer."""
        port = free_port()
        own = {"HTTP_PORT": str(port), "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}", **settings}
        return python_server(["-m", "shortener.main"], {**self.environment, **own}, port=port)

    def bare(self) -> AbstractContextManager[Process]:
        port = free_port()
        command = ["-m", "benchmarks.shortener.bare_app"]
        return python_server(command, {**self.environment, "HTTP_PORT": str(port)}, port=port)

    def trace_sink(self) -> AbstractContextManager[Process]:
        """Takes the template's spans, off the worker's core: refused ones would cost it a third more."""
        command = ["-m", "benchmarks.shortener.trace_sink", "{port}"]
        return python_server(command, {}, core=LOAD_CORE)

    def template(self, sink_url: str) -> AbstractContextManager[Process]:
        words = "-m uvicorn benchmarks.shortener.template_app:app --loop uvloop --http httptools"
        sink = {"TEMPLATE_OTLP_URL": f"{sink_url}/v1/traces"}
        command = [*words.split(), "--no-access-log", "--port", "{port}"]
        return python_server(command, {**self.environment, **sink})


@contextmanager
def running_stack() -> Iterator[Stack]:
    with running_servers() as servers:
        yield _prepared(servers)


def _prepared(servers: Servers) -> Stack:
    api_key = f"sbx_{secrets.token_urlsafe(24)}"
    environment = {
        **servers.environment,
        "SERVICE_NAME": "shortener",
        "DATABASE_URL": servers.databases.migrated("shortener"),
        "SHORTENER_ID_KEY": secrets.token_hex(32),
        "VISITOR_SALT_KEY": secrets.token_hex(32),
        "SHORTENER_API_KEY": api_key,
        "SHORTENER_API_KEY_2": f"sbx_{secrets.token_urlsafe(24)}",
        "SHORTENER_API_KEY_LIMITED": f"sbx_{secrets.token_urlsafe(24)}",
    }
    seed = [sys.executable, "-m", "shortener.seed"]
    subprocess.run(seed, env={**os.environ, **environment}, cwd=ROOT, check=True, timeout=60)
    return Stack(servers.postgres, servers.redis, servers.kafka, environment, api_key)


def create_links(stack: Stack, url: str, count: int = LINKS) -> list[str]:
    """Through the API, as any client would; the slugs."""
    links = [{"url": f"{TARGET}&n={number}"} for number in range(count)]
    document = {"mode": "atomic", "links": links}
    answer = _post(f"{url}/v1/links/bulk", stack.api_key, document)
    return [item["link"]["slug"] for item in answer["items"]]


def _post(url: str, api_key: str, document: Mapping[str, Any]) -> Any:
    headers = {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": secrets.token_hex(16),
    }
    request = urllib.request.Request(url, json.dumps(document).encode(), headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - loopback
        return json.load(response)
