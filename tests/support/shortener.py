"""The shortener as processes of its own, as a deployment runs them: any number of mains and workers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from chassis.auth import hash_key
from chassis.ids import uuid7

from tests.support.processes import TIMEOUT_S, Process, Processes, connected

__all__ = ["API_KEY", "TENANT", "Process", "Stack", "environment_of"]

API_KEY = "sb_test_of_the_redirect_tests"
TENANT = "redirects"


class Stack(Processes):
    """Processes on given servers, and the links that a test needs."""

    @property
    def dsn(self) -> str:
        return self.environment["DATABASE_URL"]

    async def start(self, module: str = "shortener.main", *, count: int = 1, **more: str) -> list[Process]:
        return await super().start(module, count=count, **more)

    async def seed(self) -> None:
        async with self.connected() as conn:
            await conn.execute(
                """
                INSERT INTO tenants (id, name, rate_per_s, burst, links_per_month)
                VALUES ($1, $1, 1e6, 1e6, 1e8)
                """,
                TENANT,
            )
            await conn.execute(
                "INSERT INTO api_keys (key_sha256, tenant_id) VALUES ($1, $2)", hash_key(API_KEY), TENANT
            )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        async with connected(self.dsn) as conn:
            yield conn

    async def insert_links(self, slugs: Sequence[str], *, max_visits: int | None = None) -> list[UUID]:
        """Straight into the table: for tests that need many."""
        ids = [uuid7() for _ in slugs]
        async with self.connected() as conn:
            await conn.execute(
                """
                INSERT INTO links (id, tenant_id, slug, url, max_visits)
                SELECT id, $3, slug, 'https://example.com/' || slug, $4
                FROM unnest($1::uuid[], $2::text[]) AS wanted (id, slug)
                """,
                ids,
                list(slugs),
                TENANT,
                max_visits,
            )
        return ids

    def api(self, process: Process) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=process.url,
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=200),
        )


def environment_of(*, dsn: str, redis_url: str, kafka: str, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_url,
        "KAFKA_BOOTSTRAP": kafka,
        "SHORTENER_ID_KEY": "a-permutation-key-of-the-tests",
        "VISITOR_SALT_KEY": "a-salt-key-of-the-tests",
        "ADMIN_API_KEY": "an-admin-key-of-the-tests",
        "ACCESS_LOG": "errors",
        "DRAIN_S": "0.3",
        **more,
    }
