"""The orders API in this process, on real servers, with the real inventory behind a road that can fail."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import httpx
import inventory.app
from chassis import auth
from chassis.health import Health
from chassis.postgres import Pool
from fastapi import FastAPI
from inventory.settings import InventorySettings
from orders.app import create
from orders.domain.tenants import Tenant
from orders.settings import OrdersSettings
from orders.usecases.tenants import put_tenants
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.eventually import eventually
from tests.support.processes import connected
from tests.support.threaded import Threaded

ADMIN_KEY = "admin-key-of-the-tests-0123456789"
INVENTORY_KEY = "inventory-key-of-the-tests-0123456789"
NOWHERE = "http://127.0.0.1:9"
TENANTS = {
    "one": Tenant("one", "One", rate_per_s=100_000, burst=100_000),
    "two": Tenant("two", "Two", rate_per_s=100_000, burst=100_000),
    "small": Tenant("small", "Small", rate_per_s=0.5, burst=10),
}

Json = dict[str, Any]


def key_of(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789abcdef"


def settings_of(dsn: str, redis_url: str, **changed: Any) -> OrdersSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "redis_url": redis_url,
        "environment": "test",
        "admin_api_key": ADMIN_KEY,
        "inventory_url": NOWHERE,
        "inventory_api_key": INVENTORY_KEY,
        "inventory_timeout_s": 30.0,
        "redis_timeout_s": 1.0,
        # A burst of hundreds on a busy machine may wait long for its connections; what it may not is fail.
        "database_timeout_s": 30.0,
        "kafka_bootstrap": "127.0.0.1:9",
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return OrdersSettings(**{**wanted, **changed})


@dataclass
class Served:
    """One running API; `client()` speaks as a tenant, or as nobody."""

    app: FastAPI
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        pool: Pool = self.app.state.resources.db
        return pool

    def client(self, tenant: str | None = "one", *, address: str = "192.0.2.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 1))
        headers = {} if tenant is None else {"Authorization": f"Bearer {key_of(tenant)}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers, timeout=60)
        self.clients.append(client)
        return client

    def operator(self) -> httpx.AsyncClient:
        client = self.client(None)
        client.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        return client

    async def value(self, statement: str, *values: Any) -> Any:
        async with self.pool.acquire() as conn:
            return await conn.fetchval(statement, *values)

    async def rows(self, statement: str, *values: Any) -> list[Json]:
        async with self.pool.acquire() as conn:
            return [dict(row) for row in await conn.fetch(statement, *values)]

    def forget_answers(self) -> None:
        """What another process, or this one after a restart, knows of earlier answers."""
        self.app.state.resources.once._ended.clear()


@asynccontextmanager
async def serving(settings: OrdersSettings, *, tenants: bool = True) -> AsyncIterator[Served]:
    """One process's worth of the API; several may run on the same database."""
    app = create(settings, Health())
    async with app.router.lifespan_context(app):
        served = Served(app)
        if tenants:
            await put_tenants(
                served.pool, [(tenant, auth.hash_key(key_of(name))) for name, tenant in TENANTS.items()]
            )
        try:
            yield served
        finally:
            for client in served.clients:
                await client.aclose()


@cache
def document() -> Json:
    """The OpenAPI document, made without any server."""
    nowhere = settings_of("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1")
    return create(nowhere, Health()).openapi()


# --- inventory


Mood = Literal["well", "away", "lost", "hanging"]


@dataclass
class Shelf:
    """Inventory on a port of its own; `mood` says how the next requests fare.

    away: refused, with nothing done. lost: done, and the answer is cut off. hanging: never answered.
    """

    dsn: str
    url: str = ""
    mood: Mood = "well"
    requests: int = 0

    async def value(self, statement: str, *values: Any) -> Any:
        async with connected(self.dsn) as conn:
            return await conn.fetchval(statement, *values)

    async def reserve(self, sku: str, quantity: int, tenant: str = "one") -> None:
        """As an order's reservation leaves the shelf."""
        await self.value(
            """
            UPDATE stock SET reserved = reserved + $3, version = version + 1
            WHERE tenant_id = $1 AND sku = $2
            """,
            tenant,
            sku,
            quantity,
        )


@contextmanager
def shelf(dsn: str, redis_url: str) -> Iterator[Shelf]:
    """The real inventory, over a real socket."""
    settings: dict[str, Any] = {
        "database_url": dsn,
        "redis_url": redis_url,
        "inventory_api_key": INVENTORY_KEY,
        "database_timeout_s": 30.0,
        "kafka_bootstrap": "127.0.0.1:9",
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    made = Shelf(dsn)

    @asynccontextmanager
    async def app() -> AsyncIterator[ASGIApp]:
        whole = inventory.app.create(InventorySettings(**settings))
        async with whole.router.lifespan_context(whole):
            yield _moody(whole, made)

    server = Threaded(app)
    made.url = server.url
    server.start()
    try:
        yield made
    finally:
        server.close()


def _moody(app: ASGIApp, shelf_: Shelf) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        shelf_.requests += 1
        match shelf_.mood:
            case "well":
                await app(scope, receive, send)
            case "away":
                await send({"type": "http.response.start", "status": 503, "headers": []})
                await send({"type": "http.response.body", "body": b""})
            case "lost":
                await app(scope, receive, _nowhere)
                await send(
                    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]}
                )
                await send({"type": "http.response.body", "body": b"{", "more_body": True})
            case "hanging":
                while (await receive())["type"] != "http.disconnect":
                    pass

    return serve


async def _nowhere(_message: Message) -> None:
    """The answer is not sent."""


# --- what tests do with it


PRODUCT: Json = {"name": "Blue mug", "unit_price": 1_200, "currency": "usd", "stock": 50}
ORDER: Json = {
    "customer_id": "cust-1",
    "currency": "usd",
    "payment_method": "pm_card_visa",
    "lines": [{"sku": "mug", "quantity": 2}],
}


async def put_product(client: httpx.AsyncClient, sku: str = "mug", **fields: Any) -> Json:
    """A product, or a failed test."""
    answer = await client.put(f"/v1/products/{sku}", json={**PRODUCT, **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def list_product(served: Served, sku: str = "mug", *, tenant: str = "one", **fields: Any) -> None:
    """A product of the catalogue alone: for tests that need no stock."""
    wanted = {**PRODUCT, **fields}
    await served.value(
        """
        INSERT INTO products (tenant_id, sku, name, unit_price, currency, stock_version, created_at,
                              updated_at)
        VALUES ($1, $2, $3, $4, $5, 1, now(), now())
        """,
        tenant,
        sku,
        wanted["name"],
        wanted["unit_price"],
        wanted["currency"],
    )


async def send_order(client: httpx.AsyncClient, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return await client.post("/v1/orders", json={**ORDER, **fields}, headers=headers)


async def place(client: httpx.AsyncClient, key: str | None = None, **fields: Any) -> Json:
    """An order, or a failed test."""
    answer = await send_order(client, key, **fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def dying_at(served: Served, table: str, request: Awaitable[httpx.Response]) -> httpx.Response:
    """The answer of a request whose connection is cut when it is about to insert into `table`."""
    async with served.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        dying = asyncio.ensure_future(request)
        await eventually(
            lambda: served.value(
                """
                SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE wait_event_type = 'Lock' AND datname = current_database()
                  AND query LIKE '%INSERT INTO ' || $1 || '%'
                """,
                table,
            )
        )
        answer = await dying
        await transaction.rollback()
    return answer
