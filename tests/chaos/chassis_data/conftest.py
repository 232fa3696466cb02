"""Worker processes that a test may kill, and the tables they write to."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.kafka import topics

WORKER = Path(__file__).with_name("worker.py")
TABLES = """
    CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, key text, value bigint);
    CREATE TABLE acknowledged (value bigint);
"""


class Worker:
    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = psutil.Popen(
                [sys.executable, str(WORKER)], env={**os.environ, **environment}, stdout=out, stderr=out
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.running:
            self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """The graceful way; the exit status."""
        self.process.terminate()
        try:
            return int(self.process.wait(20))
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            self.process.kill()
            raise


StartWorker = Callable[..., Worker]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """`start_worker("relay,consumer", topic=..., dsn=..., kafka=..., CHAOS_HOLD_S="0.1")`"""
    started: list[Worker] = []

    def start(roles: str, *, topic: str, dsn: str, kafka: str, **more: str) -> Worker:
        environment = {
            "CHAOS_ROLES": roles,
            "CHAOS_TOPIC": topic,
            "DATABASE_URL": dsn,
            "DATABASE_TIMEOUT_S": "2",
            "KAFKA_BOOTSTRAP": kafka,
            "SERVICE_NAME": "chaos",
            **more,
        }
        started.append(Worker(tmp_path / f"worker-{len(started)}.log", environment))
        return started[-1]

    yield start
    for worker in started:
        if worker.running:
            worker.signal(signal.SIGCONT)
        worker.kill()


@pytest.fixture
def declare() -> Callable[[str, int], object]:
    """`await declare(bootstrap, partitions)`: a new topic's name."""

    async def make(bootstrap: str, partitions: int) -> str:
        topic = topics.Topic(f"chaos.{uuid.uuid4().hex[:8]}", partitions)
        await topics.apply(bootstrap, [topic])
        return topic.name

    return make
