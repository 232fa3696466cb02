"""The shortener as processes of its own, as a deployment runs them: any number of mains and workers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from chassis.auth import hash_key
from chassis.ids import uuid7

from tests.support.eventually import eventually
from tests.support.ports import free_port

API_KEY = "sb_test_of_the_redirect_tests"
TENANT = "redirects"
READY_TIMEOUT_S = 60.0
TIMEOUT_S = 30.0


class Process:
    """`python -m <module>` on a port of its own."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.module, self.log = module, log
        self.port = free_port()
        self._environment = {**os.environ, **environment, "HTTP_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env=self._environment,
                stdout=log,
                stderr=log,
                pass_fds=[int(fd) for fd in (self._environment.get("HTTP_PUBLIC_FD"),) if fd],
            )

    async def ready(self) -> None:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:

            async def probe() -> bool:
                assert self._process is not None
                assert self._process.poll() is None, self.log.read_text()[-3000:]
                try:
                    return (await client.get(self.url + "/readyz")).status_code == httpx.codes.OK
                except httpx.TransportError:
                    return False

            await eventually(probe, timeout_s=READY_TIMEOUT_S)

    async def metric(self, line: str) -> float:
        """The value of one series, named as the page names it; 0 when it is not there."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            page = (await client.get(self.url + "/metrics")).text
        return next(
            (float(text.split()[1]) for text in page.splitlines() if text.startswith(line + " ")), 0.0
        )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def gone(self) -> int:
        """Its exit status, once it has one."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, TIMEOUT_S)

    async def close(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self.gone()


class Stack:
    """Processes on given servers, and the links that a test needs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.processes: list[Process] = []

    @property
    def dsn(self) -> str:
        return self.environment["DATABASE_URL"]

    async def start(self, module: str = "shortener.main", *, count: int = 1, **more: str) -> list[Process]:
        started = [
            Process(module, self.environment | more, self.folder / f"{module}-{len(self.processes) + n}.log")
            for n in range(count)
        ]
        self.processes += started
        for process in started:
            process.spawn()
        await asyncio.gather(*(process.ready() for process in started))
        return started

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
        conn = await asyncpg.connect(self.dsn, timeout=TIMEOUT_S)
        try:
            yield conn
        finally:
            await conn.close(timeout=TIMEOUT_S)

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

    async def close(self) -> None:
        await asyncio.gather(*(process.close() for process in self.processes))


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
