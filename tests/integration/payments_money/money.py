"""What the tests of money do with the API: pay, refund, settle, prove."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from chassis import auth
from payments.dialect.calls import Account
from payments.usecases import reconcile
from payments.usecases.accounts import put_accounts
from payments.usecases.kinds import HANDLERS

from tests.support.bank import ADMIN_KEY, BANK_KEY, ListeningBank
from tests.support.eventually import eventually
from tests.support.payments import Served, moved_clock, serving, settings_of

VISA = "pm_card_visa"


@dataclass
class Money:
    """`api` and `other` are the same account, at the first app and at the second."""

    bank: ListeningBank
    apps: list[Served]
    clock: Path
    key: str = ""

    async def as_somebody_new(self) -> "Money":
        """As an account that was opened now."""
        account = Account(f"acct_{uuid.uuid4().hex[:16]}", "New", rate_per_s=100_000, burst=100_000)
        key = auth.new_api_key("sk_test_")
        await put_accounts(self.apps[0].pool, [(account, auth.hash_key(key))], datetime.now(UTC))
        return Money(self.bank, self.apps, self.clock, key)

    @cached_property
    def api(self) -> httpx.AsyncClient:
        return self._client(self.apps[0])

    @cached_property
    def other(self) -> httpx.AsyncClient:
        return self._client(self.apps[1])

    def _client(self, app: Served) -> httpx.AsyncClient:
        client = app.client(None)
        client.headers["Authorization"] = f"Bearer {self.key}"
        return client

    def wait(self, seconds: float) -> None:
        """Moves the clock of both apps to that much ahead of the machine's."""
        moved_clock(self.clock, seconds)

    async def post(self, path: str, **params: Any) -> httpx.Response:
        """With a key of its own, unless `key` names one."""
        key = params.pop("key", None) or uuid.uuid4().hex
        return await self.api.post(path, data=params, headers={"Idempotency-Key": key})

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        answer = await self.api.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def pay(self, amount: int = 1000, currency: str = "usd", **more: Any) -> dict[str, Any]:
        """A confirmed intent, or a failed test."""
        intent = {"amount": amount, "currency": currency, "payment_method": VISA, "confirm": "true", **more}
        answer = await self.post("/v1/payment_intents", **intent)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def refund(self, intent: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.post("/v1/refunds", payment_intent=intent["id"], **more)
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    async def settle(self) -> None:
        """Until no operation is open: what the worker does, without its pauses."""

        async def settled() -> bool:
            await reconcile.reconcile_due(self.apps[0].res, HANDLERS)
            open_ = "SELECT count(*) FROM bank_operations WHERE state <> 'done'"
            return bool(await self.apps[0].value(open_) == 0)

        await eventually(settled, timeout_s=30)

    async def proof(self) -> dict[str, dict[str, Any]]:
        """The checks by name."""
        answer = await self.apps[0].operator().get("/admin/proof")
        assert answer.status_code == httpx.codes.OK, answer.text
        document = answer.json()
        assert document["ok"] == all(check["ok"] for check in document["checks"])
        return {check["name"]: check for check in document["checks"]}

    async def prove(self) -> None:
        wrong = [check for check in (await self.proof()).values() if not check["ok"]]
        assert not wrong, wrong

    async def booked(self, intent: dict[str, Any]) -> list[dict[str, Any]]:
        """The intent's charges in the bank's book, oldest first."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as operator:
            answer = await operator.get(self.bank.url + "/admin/book", params={"limit": 1000})
        return [charge for charge in answer.json()["charges"] if charge["reference"] == intent["id"]]

    async def events(self) -> list[str]:
        """Types, oldest first."""
        page = await self.get("/v1/events", limit=100)
        return [event["type"] for event in reversed(page["data"])]


@asynccontextmanager
async def working(dsn: str, redis_url: str, bank: ListeningBank, clock: Path) -> AsyncIterator[Money]:
    settings = settings_of(
        dsn,
        redis_url,
        bank_url=bank.url,
        bank_api_key=BANK_KEY,
        bank_timeout_s=1.0,
        # One bank's faults must not refuse the next test's payments.
        bank_breaker_calls_min=1_000_000,
        reconcile_backoff_s=0.02,
        reconcile_backoff_max_s=0.05,
        database_pool_max=20,
        clock_file=clock,
    )
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(serving(settings)) for _ in range(2)]
        yield Money(bank, apps, clock)
