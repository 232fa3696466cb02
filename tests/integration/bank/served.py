"""The bank in this process, on a real Postgres; faults that cut a connection raise instead."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from bank.app import create_bank, with_faults
from bank.settings import BankSettings
from fastapi import FastAPI

BANK_KEY = "bank-key-of-the-tests-0123456789"
ADMIN_KEY = "admin-key-of-the-tests-0123456789"


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def settings_of(dsn: str, **changed: Any) -> BankSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "bank_api_key": BANK_KEY,
        "admin_api_key": ADMIN_KEY,
        # A burst of hundreds on a busy machine may wait long for its connections; what it may not is fail.
        "database_timeout_s": 30.0,
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return BankSettings(**{**wanted, **changed})


@dataclass
class Served:
    """One running bank: what a merchant asks of it, and the operator's client."""

    app: FastAPI
    merchant: httpx.AsyncClient
    operator: httpx.AsyncClient
    charged: list[str] = field(default_factory=list)

    async def authorise(self, key: str | None = None, **changed: Any) -> httpx.Response:
        order = {"amount": 1_000, "currency": "eur", "card": "bank_visa", **changed}
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self.merchant.post("/v1/charges", json=order, headers=headers)

    async def charge(self, **changed: Any) -> dict[str, Any]:
        """A charge, or a failed test."""
        answer = await self.authorise(**changed)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def act(
        self, charge: dict[str, Any], what: str, body: dict[str, Any], key: str | None = None
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return await self.merchant.post(f"/v1/charges/{charge['id']}/{what}", json=body, headers=headers)

    async def now(self, charge: dict[str, Any]) -> dict[str, Any]:
        return dict((await self.merchant.get(f"/v1/charges/{charge['id']}")).json())

    async def switch(self, kind: str, **more: Any) -> None:
        answer = await self.operator.post("/admin/faults", json={"kind": kind, **more})
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def serving(settings: BankSettings) -> AsyncIterator[Served]:
    app = create_bank(settings)
    transport = httpx.ASGITransport(with_faults(app))

    def client(key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(transport=transport, base_url="http://bank", headers=headers, timeout=30)

    async with app.router.lifespan_context(app), client(BANK_KEY) as merchant, client(ADMIN_KEY) as operator:
        yield Served(app, merchant, operator)
