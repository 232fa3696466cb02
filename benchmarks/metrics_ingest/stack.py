"""What metrics-ingest needs to be measured, and whom it is measured against, each pinned to a core."""

import asyncio
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis.auth import hash_key

from benchmarks._processes import SERVER_CORE, Process, pinned, python_server
from benchmarks._servers import Servers, running_servers
from benchmarks.metrics_ingest.naive_app import TOPIC as NAIVE_TOPIC
from tests.support.metrics import Victoria, key_of
from tests.support.ports import free_port
from tests.support.servers import Server

TENANT = "bench"
PARTITIONS = 6
SETTLED_WITHIN_S = 180.0
POLL_S = 0.2
AUTHORIZED = {"Authorization": f"Bearer {key_of(TENANT)}"}


class PinnedVictoria(Victoria):
    """With the flags that the service is run with, but as much memory as it likes."""

    core = SERVER_CORE

    def _command(self) -> list[str]:
        command = [word for word in super()._command() if not word.startswith("-memory.")]
        return pinned(command, self.core)


class PinnedPrometheus(Server):
    """Scrapes nothing: a receiver of remote write, at its defaults."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        (self.folder / "prometheus.yml").write_text("global: {}\n")

    def _command(self) -> list[str]:
        command = [
            "/usr/bin/prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--log.level=warn",
        ]
        return pinned(command, SERVER_CORE)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.address + "/-/ready", timeout=1) as answer:  # noqa: S310 our own
                return bool(answer.status == 200)
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Stack:
    servers: Servers
    victoria: Victoria
    environment: Mapping[str, str]

    def receiver(
        self, module: str = "metrics_ingest.main", *, core: int = SERVER_CORE
    ) -> AbstractContextManager[Process]:
        return self._process(module, core)

    def writer(self) -> AbstractContextManager[Process]:
        return self._process("metrics_ingest.worker", SERVER_CORE)

    def naive(self) -> AbstractContextManager[Process]:
        asyncio.run(_create_topic(self.servers.kafka.address, NAIVE_TOPIC))
        return self._process("benchmarks.metrics_ingest.naive_app", SERVER_CORE)

    @property
    def dsn(self) -> str:
        return self.environment["DATABASE_URL"]

    def _process(self, module: str, core: int) -> AbstractContextManager[Process]:
        port = free_port()
        environment = {**self.environment, "HTTP_PORT": str(port)}
        return python_server(["-m", module], environment, port=port, core=core, ready_path="/readyz")


@contextmanager
def running_stack(*, victoria_core: int = SERVER_CORE) -> Iterator[Stack]:
    """`victoria_core`: it is a rival on the core that is measured, or a server among the others."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-bench-"))
    victoria = PinnedVictoria(folder / "victoria")
    victoria.core = victoria_core
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = held.enter_context(running_servers())
        held.callback(victoria.close)
        victoria.start()
        dsn = servers.databases.migrated("metrics_ingest")
        asyncio.run(_open_tenant(dsn))
        yield Stack(
            servers,
            victoria,
            {**servers.environment, "DATABASE_URL": dsn, "VICTORIAMETRICS_URL": victoria.address},
        )


def wait_stored(url: str, points: int) -> None:
    """Until so many are behind the writer's barrier, and the ledger says so."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    account = None
    while time.monotonic() < deadline:
        [account] = httpx.get(f"{url}/api/v1/ledger", headers=AUTHORIZED, timeout=30).json()["tenants"]
        assert not account["rejected"], account
        if account["stored"] == account["accepted"] == points:
            return
        time.sleep(POLL_S)
    raise AssertionError(f"not all points were stored within {SETTLED_WITHIN_S:.0f} s: {account}")


def cpu_s(pid: int) -> float:
    """Of a process and its children so far."""
    parent = psutil.Process(pid)
    times = [process.cpu_times() for process in (parent, *parent.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


async def _open_tenant(dsn: str) -> None:
    """Its budgets are measured elsewhere: here they must not be what is measured."""
    conn = await asyncpg.connect(dsn, timeout=30)
    try:
        await conn.execute(
            """
            INSERT INTO tenants (id, name, points_per_s, active_series_max, new_series_per_h)
            VALUES ($1, 'Bench', 1e9, 1000000, 1000000)
            """,
            TENANT,
        )
        await conn.execute(
            "INSERT INTO api_keys (key_sha256, tenant_id) VALUES ($1, $2)", hash_key(key_of(TENANT)), TENANT
        )
    finally:
        await conn.close(timeout=30)


async def _create_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
