"""What the shortener needs to be measured: real Postgres, Redis and Kafka, migrated, seeded, with links."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._processes import LOAD_CORE, ROOT, Process, pin, python_server
from infra.kafka import topics
from tests.support.databases import Databases
from tests.support.ports import free_port
from tests.support.servers import Kafka, Postgres, Redis, Server

LINKS = 1_000
TARGET = "https://example.com/articles/2026/11/a-page-with-a-name-of-usual-length?ref=bench"
PACKAGE_PATH = os.pathsep.join(str(ROOT / part) for part in ("libs/chassis", "services/shortener"))


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
    """The servers share the load's core, so that the worker has its own; durable as in production."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-bench-"))
    folder.chmod(0o755)
    postgres, redis, kafka = (
        Postgres(folder / "postgres"),
        Redis(folder / "redis"),
        Kafka(folder / "kafka"),
    )
    servers: tuple[Server, ...] = (postgres, redis, kafka)
    try:
        for server in servers:
            server.start()
            pin(server.pid)
        yield _prepared(folder, postgres, redis, kafka)
    finally:
        for server in reversed(servers):
            server.close()
        shutil.rmtree(folder, ignore_errors=True)


def _prepared(folder: Path, postgres: Postgres, redis: Redis, kafka: Kafka) -> Stack:
    databases = Databases(postgres.address, folder)
    asyncio.run(topics.apply(kafka.address, topics.declared()))
    api_key = f"sbx_{secrets.token_urlsafe(24)}"
    environment = {
        "PYTHONPATH": PACKAGE_PATH,
        "SERVICE_NAME": "shortener",
        "DATABASE_URL": databases.migrated("shortener"),
        "REDIS_URL": redis.address,
        "KAFKA_BOOTSTRAP": kafka.address,
        "TRACE_FILE": str(folder / "traces.jsonl"),
        "TRACE_SAMPLE_RATIO": "0.01",
        "ACCESS_LOG": "sampled",  # as both runtimes ship it: a line for each sampled and each failed request
        "DRAIN_S": "0.1",
        "ADMIN_API_KEY": secrets.token_urlsafe(24),
        "SHORTENER_ID_KEY": secrets.token_hex(32),
        "VISITOR_SALT_KEY": secrets.token_hex(32),
        "SHORTENER_API_KEY": api_key,
        "SHORTENER_API_KEY_2": f"sbx_{secrets.token_urlsafe(24)}",
        "SHORTENER_API_KEY_LIMITED": f"sbx_{secrets.token_urlsafe(24)}",
    }
    seed = [sys.executable, "-m", "shortener.seed"]
    subprocess.run(seed, env={**os.environ, **environment}, cwd=ROOT, check=True, timeout=60)
    return Stack(postgres, redis, kafka, environment, api_key)


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
