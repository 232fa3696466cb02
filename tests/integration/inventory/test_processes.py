"""The processes as they are deployed: ready, answering without Kafka and Redis, and leaving when told to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.integration.inventory.served import KEY
from tests.support.databases import Databases
from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

START_TIMEOUT_S = 90.0  # a full machine starts a process slowly, and fails no test by that
CALLER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def environment(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    dsn = databases.migrated("inventory")
    yield {
        **os.environ,
        "DATABASE_URL": dsn,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "INVENTORY_API_KEY": KEY,
        "FAULTS_ENABLED": "true",
        "DRAIN_S": "0",
        "REPORT_S": "0.1",
        "SECRETS_DIR": str(tmp_path_factory.mktemp("secrets")),
    }
    databases.drop(dsn)


@contextmanager
def running(module: str, environment: dict[str, str]) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", module], env={**environment, "HTTP_PORT": str(port)})
    base = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{base}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually_sync(ready, timeout_s=START_TIMEOUT_S)
        yield base
        process.terminate()
        assert process.wait(START_TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


def test_the_api_is_there_without_kafka_and_redis(environment: dict[str, str]) -> None:
    with running("inventory.main", environment) as base:
        put = httpx.put(f"{base}/v1/tenants/acme/stock/lamp", json={"stock": 3}, headers=CALLER, timeout=10)
        reconcile = httpx.get(f"{base}/v1/admin/reconcile", headers=CALLER, timeout=10)
    assert (put.status_code, put.json()["available"]) == (200, 3)
    assert reconcile.json()["ok"]


def test_the_worker_waits_for_kafka_and_leaves_when_told_to(environment: dict[str, str]) -> None:
    with running("inventory.worker", environment) as base:
        page = eventually_sync(
            lambda: httpx.get(f"{base}/metrics", timeout=5).text,
            accept=lambda text: 'inventory_stock_units{kind="on_hand"}' in text,
        )
    assert "inventory_oversold 0.0" in page
