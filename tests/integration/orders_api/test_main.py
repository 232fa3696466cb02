"""The whole service as a process of its own, seeded, with nothing else there but its database and Redis."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.support.databases import Databases
from tests.support.eventually import eventually_sync
from tests.support.orders import ORDER, PRODUCT, Shelf, shelf
from tests.support.ports import free_port

KEY = "a-key-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def inventory(databases: Databases, _redis_of_worker: str) -> Iterator[Shelf]:
    dsn = databases.migrated("inventory")
    with shelf(dsn, _redis_of_worker) as made:
        yield made
    databases.drop(dsn)


@pytest.fixture(scope="module")
def process(
    databases: Databases,
    _redis_of_worker: str,
    inventory: Shelf,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    port, dsn = str(free_port()), databases.migrated("orders")
    environment = {
        **os.environ,
        "DATABASE_URL": dsn,
        "REDIS_URL": _redis_of_worker,
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "HTTP_PORT": port,
        "ORDERS_API_KEY": KEY,
        "ADMIN_API_KEY": "an-admin-key-of-the-tests",
        "INVENTORY_URL": inventory.url,
        "INVENTORY_API_KEY": "inventory-key-of-the-tests-0123456789",
        "DRAIN_S": "0",
        "SECRETS_DIR": str(tmp_path_factory.mktemp("secrets")),
    }
    for _ in range(2):  # the seed may be repeated
        subprocess.run([sys.executable, "-m", "orders.seed"], env=environment, check=True, timeout=60)
    running = subprocess.Popen([sys.executable, "-m", "orders.main"], env=environment)
    base = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{base}/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    try:
        eventually_sync(ready, timeout_s=60)
        yield base
    finally:
        running.terminate()
        assert running.wait(30) == 0
        databases.drop(dsn)


def test_an_order_is_placed_and_cancelled(process: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=process, headers=headers, timeout=30) as client:
        assert client.put("/v1/products/mug", json=PRODUCT).status_code == 200
        placed = client.post("/v1/orders", json=ORDER, headers={"Idempotency-Key": "k"})
        again = client.post("/v1/orders", json=ORDER, headers={"Idempotency-Key": "k"})
        assert (placed.status_code, again.content) == (202, placed.content)
        path = f"/v1/orders/{placed.json()['id']}"
        assert client.get(path).json() == placed.json()
        assert [client.post(f"{path}/cancel").status_code for _ in range(2)] == [202, 200]
        assert client.get("/v1/orders").json()["items"][0]["timeline"][-1]["status"] == "cancelling"


def test_the_documents_of_the_api_are_served(process: str) -> None:
    assert httpx.get(f"{process}/openapi.json").json()["info"]["title"] == "Orders"
    assert httpx.get(f"{process}/docs").status_code == 200
    assert "orders_placed_total" in httpx.get(f"{process}/metrics").text
