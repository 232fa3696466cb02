"""The real servers that a benchmark's processes work with, and what every process of theirs is told."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._processes import ROOT, pin
from infra.kafka import topics
from tests.support.databases import Databases
from tests.support.servers import Kafka, Postgres, Redis, Server

PACKAGE_PATH = os.pathsep.join(str(path) for path in (ROOT / "libs/chassis", *(ROOT / "services").iterdir()))


@dataclass(frozen=True, slots=True)
class Servers:
    """Running; `environment` names them and is the same for every service."""

    postgres: Postgres
    redis: Redis
    kafka: Kafka
    databases: Databases
    environment: Mapping[str, str]


@contextmanager
def running_servers(*, pinned: bool = True) -> Iterator[Servers]:
    """Durable as in production. Pinned, they share the load's core: the process measured has its own."""
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
            if pinned:
                pin(server.pid)
        asyncio.run(topics.apply(kafka.address, topics.declared()))
        environment = {
            "PYTHONPATH": PACKAGE_PATH,
            "REDIS_URL": redis.address,
            "KAFKA_BOOTSTRAP": kafka.address,
            "TRACE_FILE": str(folder / "traces.jsonl"),
            "TRACE_SAMPLE_RATIO": "0.01",
            "ACCESS_LOG": "sampled",  # as both runtimes ship it: a line a sampled or failed request
            "DRAIN_S": "0.1",
            "ADMIN_API_KEY": secrets.token_urlsafe(24),
        }
        yield Servers(postgres, redis, kafka, Databases(postgres.address, folder), environment)
    finally:
        for server in reversed(servers):
            server.close()
        shutil.rmtree(folder, ignore_errors=True)
