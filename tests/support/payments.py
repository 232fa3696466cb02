"""The payments API in this process, on real servers: `serving(settings)`, and clients that speak to it."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import stripe
from chassis import auth
from chassis.health import Health
from chassis.postgres import Pool
from fastapi import FastAPI
from payments.app import create
from payments.dialect.calls import Account
from payments.resources import Resources
from payments.settings import PaymentsSettings
from payments.usecases.accounts import put_accounts

from tests.support.threaded import Threaded

ADMIN_KEY = "admin-key-of-the-tests-0123456789"
ACCOUNTS = {
    "one": Account("acct_one", "One", rate_per_s=100_000, burst=100_000),
    "two": Account("acct_two", "Two", rate_per_s=100_000, burst=100_000),
    "small": Account("acct_small", "Small", rate_per_s=0.5, burst=10),
}


def key_of(account: str) -> str:
    return f"sk_test_{account}_0123456789abcdefghij"


def settings_of(dsn: str, redis_url: str, **changed: Any) -> PaymentsSettings:
    wanted: dict[str, Any] = {
        "database_url": dsn,
        "redis_url": redis_url,
        "environment": "test",
        "admin_api_key": ADMIN_KEY,
        "bank_api_key": "bank-key-of-the-tests",
        "webhook_allowed_hosts": "127.0.0.1,localhost,::1",
        "redis_timeout_s": 1.0,
        # A burst of hundreds on a busy machine may wait long for its connections; what it may not is fail.
        "database_timeout_s": 30.0,
        "access_log": "errors",
        "trace_sample_ratio": 0.0,
    }
    return PaymentsSettings(**{**wanted, **changed})


@dataclass
class Served:
    """One running API; `client()` speaks as an account, or as nobody."""

    app: FastAPI
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def res(self) -> Resources:
        resources: Resources = self.app.state.resources
        return resources

    @property
    def pool(self) -> Pool:
        return self.res.db

    def client(self, account: str | None = "one", *, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """Send parameters as `data={"metadata[a]": "b"}`, queries as `params`."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 1))
        headers = {} if account is None else {"Authorization": f"Bearer {key_of(account)}"}
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


@asynccontextmanager
async def serving(
    settings: PaymentsSettings, *, make: Callable[[PaymentsSettings, Health], FastAPI] = create
) -> AsyncIterator[Served]:
    """One process's worth of the API, the accounts in place; several may run on the same database."""
    app = make(settings, Health())
    async with app.router.lifespan_context(app):
        served = Served(app)
        await put_test_accounts(served.pool)
        try:
            yield served
        finally:
            for client in served.clients:
                await client.aclose()


async def put_test_accounts(pool: Pool) -> None:
    accounts = [(account, auth.hash_key(key_of(name))) for name, account in ACCOUNTS.items()]
    await put_accounts(pool, accounts, datetime.now(UTC))


@contextmanager
def listening(
    settings: PaymentsSettings, *, make: Callable[[PaymentsSettings, Health], FastAPI] = create
) -> Iterator[str]:
    """The address of the API, served by a thread of its own."""

    @asynccontextmanager
    async def app() -> AsyncIterator[FastAPI]:
        async with serving(settings, make=make) as served:
            yield served.app

    threaded = Threaded(app)
    threaded.start()
    try:
        yield threaded.url
    finally:
        threaded.close()


def sdk(url: str, account: str = "one", **options: Any) -> stripe.StripeClient:
    """The official client, blocking, its default retries on."""
    return stripe.StripeClient(key_of(account), base_addresses={"api": url}, **options)


@asynccontextmanager
async def async_sdk(url: str, account: str = "one", **options: Any) -> AsyncIterator[stripe.StripeClient]:
    """The same for its `_async` methods."""
    http = stripe.HTTPXClient()
    try:
        yield sdk(url, account, http_client=http, **options)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # of the SDK


def moved_clock(path: Path, seconds: float) -> Path:
    """Writes the clock file that a process with CLOCK_FILE reads."""
    path.write_text(str(seconds))
    return path


def error_of(answer: httpx.Response) -> Mapping[str, Any]:
    """The error of a refusal, or a failed test."""
    assert answer.status_code >= 400, answer.text
    error: Mapping[str, Any] = answer.json()["error"]
    return error
