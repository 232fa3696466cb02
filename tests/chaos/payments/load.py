"""Shoppers under load: journeys of payments, captures, cancels and refunds, and every key remembered."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.chaos.payments.merchant import PAYMENT, Json, Merchant
from tests.support.eventually import eventually

PAUSE_S = 0.05  # after a journey: leaves a process that starts some of the machine

Ask = Callable[[str, Json, str], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Kept:
    """A request, and the final answer of its key."""

    path: str
    parameters: Json
    key: str
    status: int
    body: bytes


@dataclass
class Tally:
    """What was answered, in order, and which journeys could not go on."""

    kept: list[Kept] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def more(self, count: int) -> None:
        wanted = len(self.kept) + count
        await eventually(lambda: len(self.kept) >= wanted or self.wrong, timeout_s=90)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(kept.status for kept in self.kept)


@dataclass
class Shopper:
    """One journey after another: pay or hold; then capture, cancel, refund, or leave it."""

    ask: Ask
    tally: Tally
    stopping: bool = False

    async def run(self) -> None:
        while not self.stopping and not self.tally.wrong:
            try:
                await self._journey()
                await asyncio.sleep(PAUSE_S)
            except (httpx.TransportError, AssertionError) as error:
                self.tally.wrong.append(repr(error))

    async def _journey(self) -> None:
        held = random.random() < 0.5  # noqa: S311
        method = "manual" if held else "automatic"
        intent = await self._post("/v1/payment_intents", {**PAYMENT, "capture_method": method})
        road = f"/v1/payment_intents/{intent['id']}"
        if intent["status"] == "requires_capture":
            await self._post(f"{road}/{random.choice(['capture', 'cancel'])}", {})  # noqa: S311
        elif intent["status"] == "succeeded":
            await self._post("/v1/refunds", {"payment_intent": intent["id"], "amount": 500})

    async def _post(self, path: str, parameters: Json) -> Json:
        key = uuid.uuid4().hex
        answer = await self.ask(path, parameters, key)
        if not answer.is_success:
            self.tally.wrong.append(f"{path}: {answer.status_code} {answer.text}")
        self.tally.kept.append(Kept(path, parameters, key, answer.status_code, answer.content))
        return dict(answer.json())


@asynccontextmanager
async def shopping(ask: Ask, *, shoppers: int) -> AsyncIterator[Tally]:
    """Shoppers under way inside; on the way out each ends the journey it is on."""
    tally = Tally()
    crowd = [Shopper(ask, tally) for _ in range(shoppers)]
    running = asyncio.gather(*(shopper.run() for shopper in crowd))
    try:
        yield tally
    finally:
        for shopper in crowd:
            shopper.stopping = True
        await running


async def replayed(merchant: Merchant, tally: Tally) -> None:
    """Every key answers again, with the same bytes."""

    async def repeat(kept: Kept) -> None:
        answer = await merchant.post(kept.path, kept.parameters, kept.key)
        assert (answer.status_code, answer.content) == (kept.status, kept.body), kept.path
        assert answer.headers["Idempotent-Replayed"] == "true"

    for start in range(0, len(tally.kept), 20):
        await asyncio.gather(*(repeat(kept) for kept in tally.kept[start : start + 20]))


async def charged_once(merchant: Merchant, tally: Tally) -> None:
    """Every intent that was confirmed has one charge at the bank."""
    intents = [kept for kept in tally.kept if kept.path == "/v1/payment_intents"]
    book = Counter(row["intent_id"] for row in await merchant.operations() if row["kind"] == "authorise")
    assert set(book.values()) == {1}
    assert len(book) == len(intents)
    keys = {row["bank_key"] for row in await merchant.operations() if row["kind"] == "authorise"}
    booked = Counter(charge["idempotency_key"] for charge in await merchant.stack.book())
    assert {booked[key] for key in keys} == {1}
