"""One request of each kind that calls the bank, made ready to be disturbed."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.payments.merchant import PAYMENT, Json, Merchant
from tests.support.processes import Process

Expected = dict[str, Any]


@dataclass
class Errand:
    """A request and its key, what it answers in the end, and what the bank's book holds then."""

    kind: str
    path: str
    parameters: Json
    answered: Expected
    booked: Expected
    intent: str | None = None
    refund: bool = False
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, merchant: Merchant, api: Process) -> "asyncio.Task[httpx.Response | None]":
        return asyncio.create_task(merchant.attempt(self.path, self.parameters, self.key, api=api))

    async def repeat(self, merchant: Merchant, api: Process | None = None) -> Json:
        """The final answer of the key."""
        answer = await merchant.post(self.path, self.parameters, self.key, api=api)
        assert answer.status_code == 200, answer.text
        document: Json = answer.json()
        self.intent = document["payment_intent"] if self.refund else document["id"]
        return document

    async def check(self, merchant: Merchant) -> None:
        """Settled as wanted, and done by the bank exactly once."""
        answer = await self.repeat(merchant)
        document = await merchant.get(f"/v1/{'refunds' if self.refund else 'payment_intents'}/{answer['id']}")
        assert {name: document[name] for name in self.answered} == self.answered, self.kind
        assert self.intent is not None
        booked = await merchant.charges_of(self.intent)
        assert [{name: charge[name] for name in self.booked} for charge in booked] == [self.booked], self.kind


async def confirm(_merchant: Merchant) -> Errand:
    return Errand(
        "authorise",
        "/v1/payment_intents",
        PAYMENT,
        {"status": "succeeded", "amount_received": 2_000},
        {"status": "captured", "captured": 2_000, "refunded": 0},
    )


async def capture(merchant: Merchant) -> Errand:
    held = await merchant.pay(capture_method="manual")
    return Errand(
        "capture",
        f"/v1/payment_intents/{held['id']}/capture",
        {"amount_to_capture": 1_500},
        {"status": "succeeded", "amount_received": 1_500},
        {"status": "captured", "captured": 1_500, "refunded": 0},
        held["id"],
    )


async def cancel(merchant: Merchant) -> Errand:
    held = await merchant.pay(capture_method="manual")
    return Errand(
        "void",
        f"/v1/payment_intents/{held['id']}/cancel",
        {},
        {"status": "canceled", "amount_received": 0},
        {"status": "voided", "captured": 0, "refunded": 0},
        held["id"],
    )


async def refund(merchant: Merchant) -> Errand:
    paid = await merchant.pay()
    return Errand(
        "refund",
        "/v1/refunds",
        {"payment_intent": paid["id"], "amount": 700},
        {"status": "succeeded", "amount": 700},
        {"status": "captured", "captured": 2_000, "refunded": 700},
        paid["id"],
        refund=True,
    )


KINDS: tuple[Callable[[Merchant], Awaitable[Errand]], ...] = (confirm, capture, cancel, refund)


async def one_of_each(merchant: Merchant) -> list[Errand]:
    return list(await asyncio.gather(*(make(merchant) for make in KINDS)))


class Tasks(list["asyncio.Task[httpx.Response | None]"]):
    """Requests under way."""


def starting(merchant: Merchant, errands: list[Errand], api: Process, tasks: Tasks) -> Callable[[], None]:
    """What sends all of them to one API process."""

    def begin() -> None:
        tasks.extend(errand.start(merchant, api) for errand in errands)

    return begin


async def unknown_of(merchant: Merchant) -> list[Errand]:
    """One of each, sent while the bank fails: answered, and their outcome not known."""
    errands = await one_of_each(merchant)
    await merchant.stack.fault("error")
    await asyncio.gather(*(errand.repeat(merchant) for errand in errands))
    return errands
