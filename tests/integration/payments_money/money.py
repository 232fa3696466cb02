"""What the tests of money do with the API: pay, refund, settle, prove."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from payments.usecases import reconcile
from payments.usecases.kinds import HANDLERS

from tests.support.bank import ADMIN_KEY, BANK_KEY, ListeningBank
from tests.support.eventually import eventually
from tests.support.payments import Served, moved_clock, serving, settings_of

VISA = "pm_card_visa"


@dataclass
class Money:
    """`api` is account "one" at the first app, `other` the same account at the second."""

    bank: ListeningBank
    apps: list[Served]
    api: httpx.AsyncClient
    other: httpx.AsyncClient
    clock: Path

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

    async def book(self) -> list[dict[str, Any]]:
        """The bank's, oldest first."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as operator:
            answer = await operator.get(self.bank.url + "/admin/book", params={"limit": 1000})
        charges: list[dict[str, Any]] = answer.json()["charges"]
        return charges

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
        bank_breaker_open_s=0.05,
        bank_breaker_open_max_s=0.05,
        reconcile_backoff_s=0.02,
        reconcile_backoff_max_s=0.05,
        database_pool_max=20,
        clock_file=clock,
    )
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(serving(settings)) for _ in range(2)]
        yield Money(bank, apps, apps[0].client(), apps[1].client(), clock)
