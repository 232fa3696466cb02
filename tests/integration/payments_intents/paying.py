"""What the tests of intents ask beside the API: the bank's book, and a payment left half done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from payments.bank import Permit
from payments.domain.operations import Operation, Outcome

from tests.integration.payments_money.money import Money
from tests.support.bank import ADMIN_KEY

INTENTS = "/v1/payment_intents"
LEASE_S = 21


class Killed(BaseException):
    """As a kill -9: nothing below may catch it and clean up."""


async def booked_of(money: Money, intent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bank's charges of an intent."""
    query: dict[str, Any] = {"limit": 1000}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as operator:
        answer = await operator.get(money.bank.url + "/admin/book", params=query)
    charges = answer.raise_for_status().json()
    assert not charges["has_more"]
    return [charge for charge in charges["charges"] if charge["reference"] == intent["id"]]


async def intent_of(money: Money, **params: Any) -> dict[str, Any]:
    answer = await money.post(INTENTS, **{"amount": 2000, "currency": "usd", **params})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def status_of(money: Money, intent: Mapping[str, Any]) -> str:
    return str((await money.get(f"{INTENTS}/{intent['id']}"))["status"])


@contextmanager
def killed_before_the_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operation is written, the bank never hears of it."""

    async def call(_permit: Permit, _op: Operation) -> Outcome:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Permit, "call", call)
        yield


@contextmanager
def killed_after_the_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bank has acted, nobody here knows."""
    really = Permit.call

    async def call(permit: Permit, op: Operation) -> Outcome:
        await really(permit, op)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Permit, "call", call)
        yield
