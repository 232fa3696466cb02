"""The whole service as a process: management API and redirect on one port."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.support.databases import Databases
from tests.support.eventually import eventually_sync
from tests.support.ports import free_port

KEY = "a-key-of-the-tests-0123456789"


@pytest.fixture(scope="module")
def environment(
    databases: Databases, _redis_of_worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    port, dsn = str(free_port()), databases.migrated("shortener")
    yield {
        **os.environ,
        "DATABASE_URL": dsn,
        "REDIS_URL": _redis_of_worker,
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "HTTP_PORT": port,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "SHORTENER_ID_KEY": "an-id-key-of-the-tests",
        "VISITOR_SALT_KEY": "a-salt-key-of-the-tests",
        "SHORTENER_API_KEY": KEY,
        "ADMIN_API_KEY": "an-admin-key-of-the-tests",
        "DRAIN_S": "0",
        "SECRETS_DIR": str(tmp_path_factory.mktemp("secrets")),
    }
    databases.drop(dsn)


@pytest.fixture(scope="module")
def process(environment: dict[str, str]) -> Iterator[str]:
    for _ in range(2):  # the seed may be repeated
        subprocess.run([sys.executable, "-m", "shortener.seed"], env=environment, check=True, timeout=60)
    running = subprocess.Popen([sys.executable, "-m", "shortener.main"], env=environment)
    base = environment["PUBLIC_BASE_URL"]

    def ready() -> bool:
        try:
            return httpx.get(f"{base}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    try:
        eventually_sync(ready, timeout_s=30)
        yield base
    finally:
        running.terminate()
        assert running.wait(30) == 0


def test_a_link_leads_to_its_target_until_it_is_switched_off(process: str) -> None:
    with httpx.Client(base_url=process, headers={"Authorization": f"Bearer {KEY}"}, timeout=10) as client:
        link = client.post("/v1/links", json={"url": "https://example.com/x", "slug": "whole"}).json()

        def redirect() -> tuple[int, str | None]:
            answer = client.get("/whole")
            return answer.status_code, answer.headers.get("location")

        assert link["short_url"] == f"{process}/whole"
        assert redirect() == (302, "https://example.com/x")
        client.patch(f"/v1/links/{link['id']}", json={"url": "https://example.org/y", "status": 307})
        assert redirect() == (307, "https://example.org/y")
        client.post(f"/v1/links/{link['id']}/disable")
        assert redirect() == (410, None)
        client.delete(f"/v1/links/{link['id']}")
        assert redirect() == (404, None)


def test_a_slug_that_was_asked_for_before_it_was_made_is_found_at_once(process: str) -> None:
    with httpx.Client(base_url=process, headers={"Authorization": f"Bearer {KEY}"}, timeout=10) as client:
        assert client.get("/sooner").status_code == 404
        client.post("/v1/links", json={"url": "https://example.com/", "slug": "sooner"})
        assert client.get("/sooner").status_code == 302


def test_the_documents_of_the_api_are_served(process: str) -> None:
    assert httpx.get(f"{process}/openapi.json").json()["info"]["title"] == "Shortener"
    assert httpx.get(f"{process}/docs").status_code == 200
    assert "shortener_links_created_total" in httpx.get(f"{process}/metrics").text
