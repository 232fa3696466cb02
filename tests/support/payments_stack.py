"""Payments as a deployment runs it: any number of API processes, workers, and the bank, on given servers."""

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import stripe
from chassis.auth import hash_key, new_api_key

from tests.support.processes import TIMEOUT_S, Process, Processes, connected

ADMIN_KEY = "admin-key-of-the-tests-0123456789"
BANK_KEY = "bank-key-of-the-tests-0123456789"
NOWHERE = "127.0.0.1:1"
CONNECTIONS_MAX = 300


class PaymentsStack(Processes):
    """`up()` starts it; `apis`, `workers` and `bank` are its processes."""

    def __init__(
        self,
        folder: Path,
        *,
        payments_dsn: str,
        bank_dsn: str,
        redis_url: str,
        kafka: str = NOWHERE,
        **more: str,
    ) -> None:
        environment = {
            "ENVIRONMENT": "test",
            "REDIS_URL": redis_url,
            "KAFKA_BOOTSTRAP": kafka,
            "BANK_API_KEY": BANK_KEY,
            "ADMIN_API_KEY": ADMIN_KEY,
            "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1,localhost,::1",
            "ACCESS_LOG": "errors",
            "TRACE_SAMPLE_RATIO": "0",
            "DRAIN_S": "0.3",
            **more,
        }
        super().__init__(folder, environment)
        self.payments_dsn, self.bank_dsn = payments_dsn, bank_dsn
        self.apis: list[Process] = []
        self.workers: list[Process] = []
        self.bank = self.add("bank.main", DATABASE_URL=bank_dsn)
        self.environment |= {"DATABASE_URL": payments_dsn, "BANK_URL": self.bank.url}

    async def up(self, *, apis: int = 2, workers: int = 1) -> None:
        """Each answers /readyz when this returns."""
        self.apis = [self.add("payments.main") for _ in range(apis)]
        self.workers = [self.add("payments.worker") for _ in range(workers)]
        for api in self.apis:
            api.spawn(PUBLIC_BASE_URL=self.apis[0].url)
        for process in (self.bank, *self.workers):
            process.spawn()
        await asyncio.gather(*(process.ready() for process in self.processes))

    async def heal(self) -> None:
        """Wakes what is stalled, starts what is down, and takes back the bank's fault."""
        for process in self.processes:
            process.wake()
            if not process.running:
                process.spawn()
        await asyncio.gather(*(process.ready() for process in self.processes))
        await self.fault(None)

    # --- accounts and clients

    async def account(self, *, rate_per_s: float = 1e6, burst: int = 1_000_000) -> str:
        """The secret key of a new account."""
        key = new_api_key("sk_test_")
        account_id = f"acct_{uuid.uuid4().hex[:16]}"
        at = datetime.now(UTC)
        async with connected(self.payments_dsn) as conn, conn.transaction():
            await conn.execute(
                """
                INSERT INTO accounts (id, name, rate_per_s, burst, created_at)
                VALUES ($1, $1, $2, $3, $4)
                """,
                account_id,
                rate_per_s,
                burst,
                at,
            )
            await conn.execute(
                "INSERT INTO api_keys (key_sha256, account_id, created_at) VALUES ($1, $2, $3)",
                hash_key(key),
                account_id,
                at,
            )
        return key

    def client(self, process: Process, key: str) -> httpx.AsyncClient:
        """Plain HTTP, for what the SDK hides: bodies are `form(...)`, keys are the test's own, nothing is
        sent twice.
        """
        return httpx.AsyncClient(
            base_url=process.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S + 5,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )

    def sdk(self, process: Process, key: str, *, retries: int = 2) -> stripe.StripeClient:
        """The official SDK; its asynchronous methods end in `_async`."""
        return stripe.StripeClient(
            key,
            base_addresses={"api": process.url},
            max_network_retries=retries,
            http_client=stripe.HTTPXClient(timeout=TIMEOUT_S + 5, allow_sync_methods=True),
        )

    # --- the bank and the proof

    async def fault(self, kind: str | None, *, probability: float = 1.0, delay_ms: int | None = None) -> None:
        """Sets the bank's fault; none takes it back."""
        async with self._operator(self.bank) as operator:
            if kind is None:
                answer = await operator.delete("/admin/faults")
            else:
                body = {"kind": kind, "probability": probability, "delay_ms": delay_ms}
                answer = await operator.post("/admin/faults", json=body)
        answer.raise_for_status()

    async def book(self) -> list[dict[str, Any]]:
        """Every charge of the bank, oldest first."""
        charges: list[dict[str, Any]] = []
        async with self._operator(self.bank) as operator:
            while True:
                query: dict[str, Any] = {"limit": 1_000}
                if charges:
                    query["starting_after"] = charges[-1]["id"]
                page = (await operator.get("/admin/book", params=query)).raise_for_status().json()
                charges += page["charges"]
                if not page["has_more"]:
                    return charges

    async def proof(self) -> dict[str, Any]:
        """What /admin/proof says: `ok` and its checks."""
        async with self._operator(self.apis[0]) as operator:
            return dict((await operator.get("/admin/proof")).raise_for_status().json())

    def _operator(self, process: Process) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        return httpx.AsyncClient(base_url=process.url, headers=headers, timeout=TIMEOUT_S)


def form(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Stripe's brackets: `{"metadata": {"a": 1}, "expand": ["x"]}` is `metadata[a]=1&expand[0]=x`."""
    flat: dict[str, str] = {}

    def put(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                put(f"{name}[{key}]", inner)
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                put(f"{name}[{number}]", inner)
        else:
            flat[name] = str(value).lower() if isinstance(value, bool) else str(value)

    for key, value in parameters.items():
        put(key, value)
    return flat


def once(key: str | None = None) -> dict[str, str]:
    """The header of an idempotency key; a new one unless it is given."""
    return {"Idempotency-Key": key or uuid.uuid4().hex}
