"""The management API in this process, on a real Postgres and a real Redis."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from chassis import auth, postgres
from chassis.health import Health
from chassis.postgres import Pool
from fastapi import FastAPI
from shortener.invalidation import Change
from shortener.management import create_management, managed
from shortener.settings import ShortenerSettings
from shortener.usecases.resources import Tenant
from shortener.usecases.tenants import put_tenants

ADMIN_KEY = "admin-key-of-the-tests-0123456789"
TENANTS = {
    "one": Tenant(id="one", name="One", rate_per_s=5_000, burst=20_000, links_per_month=1_000_000),
    "two": Tenant(id="two", name="Two", rate_per_s=5_000, burst=20_000, links_per_month=1_000_000),
    "small": Tenant(id="small", name="Small", rate_per_s=0.5, burst=10, links_per_month=100),
    "hundred": Tenant(id="hundred", name="Hundred", rate_per_s=5_000, burst=20_000, links_per_month=100),
}


def key_of(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789abcdef"


@dataclass
class Told:
    """Stands where the redirect's caches are told of changes."""

    changes: list[Change] = field(default_factory=list)

    async def publish_many(self, changes: Sequence[Change]) -> None:
        self.changes.extend(changes)


@dataclass
class Served:
    """One running API; `client()` speaks as a tenant, or as nobody."""

    app: FastAPI
    pool: Pool
    told: Told
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, tenant: str | None = "one", *, address: str = "192.0.2.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 1))
        headers = {} if tenant is None else {"Authorization": f"Bearer {key_of(tenant)}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers, timeout=30)
        self.clients.append(client)
        return client

    def operator(self) -> httpx.AsyncClient:
        client = self.client(None)
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        return client

    async def value(self, statement: str, *values: Any) -> Any:
        async with self.pool.acquire() as conn:
            return await conn.fetchval(statement, *values)


def settings_of(dsn: str, redis_url: str, **changed: Any) -> ShortenerSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "redis_url": redis_url,
        "admin_api_key": ADMIN_KEY,
        "shortener_id_key": "permutation-key-of-the-tests",
        "visitor_salt_key": "visitor-salt-key-of-the-tests",
        "public_base_url": "http://sho.rt",
        "redis_timeout_s": 1.0,
        # A burst of hundreds on a busy machine may wait long for its connections; what it may not is fail.
        "database_timeout_s": 30.0,
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return ShortenerSettings(**{**wanted, **changed})


@asynccontextmanager
async def serving(settings: ShortenerSettings) -> AsyncIterator[Served]:
    """One process's worth of the API; several may run on the same database."""
    told = Told()
    pools: list[Pool] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with postgres.pool_of(settings) as pool, managed(app, settings, pool, told):
            pools.append(pool)
            yield

    app = create_management(settings, lifespan=lifespan, health=Health())
    async with app.router.lifespan_context(app):
        served = Served(app, pools[0], told)
        try:
            yield served
        finally:
            for client in served.clients:
                await client.aclose()


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, made without any server."""

    @asynccontextmanager
    async def never(_app: FastAPI) -> AsyncIterator[None]:
        yield

    nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1")
    return create_management(nowhere, lifespan=never).openapi()


async def put_test_tenants(pool: Pool) -> None:
    await put_tenants(pool, [(tenant, auth.hash_key(key_of(name))) for name, tenant in TENANTS.items()])


URL = "https://example.com/a?b=c"


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A link, or a failed test."""
    answer = await client.post("/v1/links", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())
