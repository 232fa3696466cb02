"""A merchant who never gives up: repeats each request under its key until the answer is final."""

import asyncio
import uuid
from typing import Any, Self

import asyncpg
import httpx

from tests.support.eventually import eventually
from tests.support.payments_stack import PaymentsStack, form, once
from tests.support.processes import Process, connected

PATIENCE_S = 120.0
PAUSE_S = 0.1
CONFLICT, TOO_MANY, SERVER_ERROR = 409, 429, 500
SETTLED = frozenset({"succeeded", "canceled", "requires_payment_method", "requires_capture"})
PAYMENT = {
    "amount": 2_000,
    "currency": "eur",
    "payment_method": "pm_card_visa",
    "confirm": True,
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}

Json = dict[str, Any]


def is_final(answer: httpx.Response | None) -> bool:
    """An answer that a repeat of the key would give again."""
    return answer is not None and answer.status_code not in (CONFLICT, TOO_MANY, 502, 503, 504)


class Merchant:
    """One account; requests go to the API process that is named, or to each in turn."""

    def __init__(self, stack: PaymentsStack, key: str) -> None:
        self.stack, self.key = stack, key
        self.clients = {api.url: stack.client(api, key) for api in stack.apis}
        self._turn = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.gather(*(client.aclose() for client in self.clients.values()))

    def client(self, api: Process | None = None) -> httpx.AsyncClient:
        if api is None:
            self._turn += 1
            api = self.stack.apis[self._turn % len(self.stack.apis)]
        return self.clients[api.url]

    async def attempt(
        self, path: str, parameters: Json, key: str, *, api: Process | None = None
    ) -> httpx.Response | None:
        """One request; none when the connection was lost."""
        try:
            return await self.client(api).post(path, data=form(parameters), headers=once(key))
        except httpx.TransportError:
            return None

    async def post(
        self, path: str, parameters: Json, key: str | None = None, *, api: Process | None = None
    ) -> httpx.Response:
        """The final answer of this key, however often it takes to ask."""
        key = key or uuid.uuid4().hex
        answer = await eventually(
            lambda: self.attempt(path, parameters, key, api=api),
            timeout_s=PATIENCE_S,
            interval_s=PAUSE_S,
            accept=is_final,
        )
        assert answer is not None
        return answer

    async def pay(self, key: str | None = None, *, api: Process | None = None, **changed: Any) -> Json:
        """A payment intent, confirmed at once, or a failed test."""
        answer = await self.post("/v1/payment_intents", {**PAYMENT, **changed}, key, api=api)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def get(self, path: str, **query: Any) -> Json:
        answer: httpx.Response | None = None

        async def asked() -> httpx.Response | None:
            try:
                return await self.client().get(path, params=query)
            except httpx.TransportError:
                return None

        answer = await eventually(asked, timeout_s=PATIENCE_S, accept=is_final)
        assert answer is not None
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def settled(self, intent: str, *, within_s: float = 30.0) -> Json:
        """The intent once nothing is under way any more."""
        return await eventually(
            lambda: self.get(f"/v1/payment_intents/{intent}"),
            timeout_s=within_s,
            accept=lambda document: document["status"] in SETTLED,
        )

    async def charges_of(self, intent: str) -> list[Json]:
        """What the bank's book holds of this intent: `reference` is the intent's id."""
        async with connected(self.stack.bank_dsn) as conn:
            rows = await conn.fetch(
                """
                SELECT id, idempotency_key, amount, captured, refunded, status
                FROM charges
                WHERE reference = $1
                """,
                intent,
            )
        return [dict(row) for row in rows]

    async def operations(self, intent: str | None = None) -> list[asyncpg.Record]:
        """What payments knows of its calls to the bank, oldest first."""
        async with connected(self.stack.payments_dsn) as conn:
            rows: list[asyncpg.Record] = await conn.fetch(
                """
                SELECT o.id, o.kind, o.state, o.fencing, o.intent_id, o.bank_key
                FROM bank_operations AS o
                JOIN api_keys AS k ON k.account_id = o.account_id
                WHERE k.key_sha256 = sha256(convert_to($1, 'UTF8')) AND ($2::text IS NULL OR o.intent_id = $2)
                ORDER BY o.id
                """,
                self.key,
                intent,
            )
        return rows
