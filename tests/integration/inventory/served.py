"""Inventory in this process, on a real Postgres: its API as orders calls it, and its use cases beside it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import httpx
import msgspec
from chassis.outbox import store as outbox
from chassis.postgres import Pool
from chassis.retry import Transient
from fastapi import FastAPI
from inventory.app import create
from inventory.domain.reservations import Command, Confirm, Line, Release, Reserve
from inventory.resources import Resources
from inventory.settings import InventorySettings
from inventory.usecases.reservations import answer

KEY = "inventory-key-of-the-tests-0123456789"
TENANT = "acme"


def settings_of(dsn: str, **changed: Any) -> InventorySettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "inventory_api_key": KEY,
        # A burst of hundreds on a busy machine may wait long for its connections; what it may not is fail.
        "database_timeout_s": 30.0,
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return InventorySettings(**{**wanted, **changed})


def reserve(
    order: str,
    basket: Mapping[str, int] = MappingProxyType({}),
    *,
    expires_in_s: float = 900.0,
    trace: str | None = None,
    **more: int,
) -> Reserve:
    return Reserve(
        order_id=order,
        tenant_id=TENANT,
        request_id=f"{order}:reserve",
        traceparent=trace,
        lines=tuple(Line(sku, quantity) for sku, quantity in {**basket, **more}.items()),
        expires_at=datetime.now(UTC) + timedelta(seconds=expires_in_s),
    )


def confirm(order: str) -> Confirm:
    return Confirm(order_id=order, tenant_id=TENANT, request_id=f"{order}:confirm")


def release(order: str) -> Release:
    return Release(order_id=order, tenant_id=TENANT, request_id=f"{order}:release")


@dataclass(frozen=True)
class Told:
    """An event on its way out."""

    id: str
    order_id: str
    state: str
    reason: str | None
    version: int
    trace: str | None


@dataclass
class Served:
    app: FastAPI
    orders: httpx.AsyncClient

    @property
    def res(self) -> Resources:
        found: Resources = self.app.state.resources
        return found

    @property
    def db(self) -> Pool:
        return self.res.db

    async def put(self, sku: str, stock: int, tenant: str = TENANT) -> httpx.Response:
        return await self.orders.put(f"/v1/tenants/{tenant}/stock/{sku}", json={"stock": stock})

    async def shelve(self, **stock: int) -> None:
        for sku, quantity in stock.items():
            put = await self.put(sku, quantity)
            assert put.status_code == 200, put.text

    async def receive(self, sku: str, quantity: int, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        path = f"/v1/tenants/{TENANT}/stock/{sku}/receipts"
        return await self.orders.post(path, json={"quantity": quantity}, headers=headers)

    async def level(self, sku: str) -> dict[str, Any]:
        page = (await self.orders.get(f"/v1/tenants/{TENANT}/stock", params={"sku": sku})).json()
        (item,) = page["items"]
        return dict(item)

    async def say(self, *commands: Command) -> None:
        """As the consumer's batch does, with its retries in place."""
        for _ in range(5):
            try:
                async with self.db.acquire() as conn, conn.transaction():
                    return await answer(conn, commands)
            except Transient:
                await asyncio.sleep(0)
        raise AssertionError("the same orders were answered elsewhere five times in a row")

    async def told(self, *, of: str | None = None) -> list[Told]:
        """Everything in the outbox, oldest first."""
        async with self.db.acquire() as conn:
            rows = await outbox.fetch(conn, list(range(16)), per_shard=100_000, bytes_max=1 << 30)
        events = [_told(row) for row in sorted(rows, key=lambda row: row["id"])]
        return [event for event in events if of in (None, event.order_id)]

    async def checks(self) -> dict[str, tuple[bool, str]]:
        body = (await self.orders.get("/v1/admin/reconcile")).json()
        return {check["name"]: (check["ok"], check["detail"]) for check in body["checks"]}

    async def assert_clean(self) -> None:
        body = (await self.orders.get("/v1/admin/reconcile")).json()
        assert body["ok"], body


def _told(row: Any) -> Told:
    data = msgspec.json.decode(row["value"])
    headers = dict(zip(row["header_names"], row["header_values"], strict=True))
    trace = headers.get("traceparent")
    return Told(
        id=headers["ce_id"].decode(),
        order_id=data["order_id"],
        state=data["state"],
        reason=data["reason"],
        version=data["version"],
        trace=None if trace is None else trace.decode(),
    )


def states(told: Sequence[Told]) -> list[tuple[str, int]]:
    return [(event.state, event.version) for event in told]


@asynccontextmanager
async def serving(settings: InventorySettings) -> AsyncIterator[Served]:
    app = create(settings)
    headers = {"Authorization": f"Bearer {KEY}"}
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://inventory", headers=headers, timeout=30
        ) as orders,
    ):
        yield Served(app, orders)
