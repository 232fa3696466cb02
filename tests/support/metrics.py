"""metrics-ingest in this process, on a real Postgres and a real Redis, and VictoriaMetrics as a server."""

import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from chassis import auth, postgres
from chassis.health import Health
from chassis.kafka import Ack, Record, SendFailed
from chassis.postgres import Pool
from chassis.records import Result
from fastapi import FastAPI
from metrics_ingest.app import create_service, running
from metrics_ingest.receivers.front import Front
from metrics_ingest.resources import Resources
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.accept import Sending
from metrics_ingest.usecases.tenants import put_tenants

from infra.local import victoriametrics
from tests.support.servers import Server

ADMIN_KEY = "admin-key-of-the-tests-0123456789"
TENANTS = ("one", "two")


def key_of(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789abcdef"


class Victoria(Server):
    """The binary of this machine's packages, with the flags that our limits are set below."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        """It makes its own folder."""

    def _command(self) -> list[str]:
        return [*victoriametrics.command(self.folder / "data", self.port), "-memory.allowedBytes=128MiB"]

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.address + "/health", timeout=1) as answer:  # noqa: S310 our own
                return bool(answer.status == httpx.codes.OK)
        except OSError:
            return False


@dataclass
class Log:
    """Stands where the broker is: keeps records in one partition, or fails with what it is told to."""

    records: list[Record] = field(default_factory=list)
    failure: SendFailed | None = None

    async def send_many(self, records: Sequence[Record]) -> list[Result]:
        if self.failure is not None:
            return [self.failure] * len(records)
        first = len(self.records)
        self.records += records
        return [Ack(0, first + place) for place in range(len(records))]

    def headers(self) -> list[dict[str, str]]:
        return [{name: value.decode() for name, value in record.headers} for record in self.records]

    def total(self, header: str) -> int:
        return sum(int(headers[header]) for headers in self.headers())


@dataclass
class Served:
    """One running process; `client()` speaks as a tenant, or as nobody."""

    app: FastAPI
    resources: Resources
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        return self.resources.db

    def client(self, tenant: str | None = "one", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        known = {} if tenant is None else {"Authorization": f"Bearer {key_of(tenant)}"}
        client = httpx.AsyncClient(
            transport=transport, base_url="http://test", headers={**known, **headers}, timeout=30
        )
        self.clients.append(client)
        return client

    def operator(self) -> httpx.AsyncClient:
        return self.client(None, Authorization=f"Bearer {ADMIN_KEY}")

    async def limit(self, tenant: str, **limits: float) -> None:
        """From the next look at the key on: ask with a key that was not used yet."""
        async with self.pool.acquire() as conn:
            for name, value in limits.items():
                await conn.execute(f"UPDATE tenants SET {name} = $2 WHERE id = $1", tenant, value)  # noqa: S608 a column


def settings_of(dsn: str, redis_url: str, **changed: Any) -> MetricsSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "redis_url": redis_url,
        "admin_api_key": ADMIN_KEY,
        "redis_timeout_s": 1.0,
        "database_timeout_s": 30.0,
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return MetricsSettings(**{**wanted, **changed})


@asynccontextmanager
async def serving(settings: MetricsSettings, log: Sending) -> AsyncIterator[Served]:
    """One process's worth of receivers and accounts; several may run on the same database."""
    found: list[Resources] = []
    before = Front()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            postgres.pool_of(settings) as pool,
            running(settings, pool, log) as resources,
        ):
            await put_test_tenants(pool)
            app.state.resources = resources
            before.open(resources)
            found.append(resources)
            yield

    app = create_service(settings, lifespan=lifespan, before=before, health=Health())
    async with app.router.lifespan_context(app):
        served = Served(app, found[0])
        try:
            yield served
        finally:
            for client in served.clients:
                await client.aclose()


def document() -> dict[str, Any]:
    """The OpenAPI document, made without any server."""

    @asynccontextmanager
    async def never(_app: FastAPI) -> AsyncIterator[None]:
        yield

    nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1")
    return create_service(nowhere, lifespan=never).openapi()


async def empty(dsn: str) -> None:
    """A database that tests share has nothing in it again: cheaper than one for each of them."""
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            "TRUNCATE tenants, api_keys, series, series_budgets, ledger_entries, rollups, consumer_offsets"
        )
        await conn.execute("UPDATE rollup_lease SET owner = DEFAULT, expires_at = DEFAULT")
    finally:
        await conn.close()


async def put_test_tenants(pool: Pool) -> None:
    await put_tenants(pool, [(name, name.title(), auth.hash_key(key_of(name))) for name in TENANTS])
