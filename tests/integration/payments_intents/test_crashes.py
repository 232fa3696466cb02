"""A process that dies between two transactions, and whoever finishes what it left."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from chassis.once import Answer
from chassis.postgres import Connection
from payments.bank import Permit
from payments.domain.operations import Known, Operation, Outcome
from payments.usecases import authorisations, money_metrics, reconcile
from payments.usecases.kinds import HANDLERS

from tests.integration.payments_intents.paying import (
    INTENTS,
    LEASE_S,
    Killed,
    booked_of,
    intent_of,
    killed_after_the_call,
    killed_before_the_call,
    status_of,
)
from tests.integration.payments_money.money import Money

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLS = pytest.mark.parametrize("killed", [killed_before_the_call, killed_after_the_call])
Kill = Callable[[pytest.MonkeyPatch], Any]
# A kind of operation: how it is asked for, and how it ends.
MOVES = pytest.mark.parametrize(
    ("action", "end", "booked_as"),
    [
        ("confirm", "succeeded", "captured"),
        ("capture", "succeeded", "captured"),
        ("cancel", "canceled", "voided"),
    ],
)


async def subject_of(money: Money, action: str) -> dict[str, Any]:
    if action == "confirm":
        return await intent_of(money, payment_method="pm_card_visa")
    return await money.pay(2000, capture_method="manual")


@KILLS
@MOVES
async def test_the_completer_finishes_what_a_dead_process_left(
    money: Money, monkeypatch: pytest.MonkeyPatch, killed: Kill, action: str, end: str, booked_as: str
) -> None:
    intent = await subject_of(money, action)
    path = f"{INTENTS}/{intent['id']}/{action}"
    with killed(monkeypatch), pytest.raises(Killed):
        await money.post(path, key="k")

    assert await status_of(money, intent) == "processing"
    assert (await money.post(path, key="k")).status_code == 409
    assert await reconcile.reconcile_due(money.apps[1].res, HANDLERS) == 0
    money.wait(LEASE_S)
    assert await reconcile.reconcile_due(money.apps[1].res, HANDLERS) == 1

    answer = await money.post(path, key="k")
    assert (answer.status_code, answer.json()["status"]) == (200, end)
    assert answer.headers["Idempotent-Replayed"] == "true"
    [booked] = await booked_of(money, intent)
    assert booked["status"] == booked_as
    await money.prove()


@KILLS
@MOVES
async def test_a_repeat_after_the_lease_goes_on_where_it_stopped(
    money: Money, monkeypatch: pytest.MonkeyPatch, killed: Kill, action: str, end: str, booked_as: str
) -> None:
    intent = await subject_of(money, action)
    path = f"{INTENTS}/{intent['id']}/{action}"
    with killed(monkeypatch), pytest.raises(Killed):
        await money.post(path, key="k")
    money.wait(LEASE_S)

    answers = await asyncio.gather(
        *(client.post(path, headers={"Idempotency-Key": "k"}) for client in (money.api, money.other))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert any(answer.status_code == 200 for answer in answers)
    assert await status_of(money, intent) == end
    [booked] = await booked_of(money, intent)
    assert booked["status"] == booked_as
    await money.prove()


async def test_a_create_that_dies_is_there_when_its_request_is_repeated(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    params: dict[str, Any] = {"key": "k", "expand[]": "latest_charge"}
    with killed_after_the_call(monkeypatch), pytest.raises(Killed):
        await money.pay(**params)
    money.wait(LEASE_S)
    paid = await money.pay(**params)

    assert (paid["status"], paid["latest_charge"]["object"]) == ("succeeded", "charge")
    assert len((await money.get(INTENTS))["data"]) == 1
    assert len(await booked_of(money, paid)) == 1


async def test_a_stalled_owner_that_wakes_is_fenced_off(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await intent_of(money, payment_method="pm_card_visa")
    path = f"{INTENTS}/{made['id']}/confirm"
    called, wake = asyncio.Event(), asyncio.Event()
    really = Permit.call

    async def stall(permit: Permit, op: Operation) -> Outcome:
        outcome = await really(permit, op)
        called.set()
        await wake.wait()
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(Permit, "call", stall)
        stalled = asyncio.create_task(money.post(path, key="k"))
        await called.wait()
    money.wait(LEASE_S)
    assert await reconcile.reconcile_due(money.apps[1].res, HANDLERS) == 1
    before = money_metrics.OPERATIONS_FENCED._value.get()
    wake.set()
    answer = await stalled

    assert money_metrics.OPERATIONS_FENCED._value.get() == before + 1
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    replay = await money.other.post(path, headers={"Idempotency-Key": "k"})
    assert replay.content == answer.content
    assert len(await booked_of(money, made)) == 1
    assert (await money.events()).count("payment_intent.succeeded") == 1
    await money.prove()


async def test_two_reconcilers_share_what_is_due(money: Money) -> None:
    made = [await intent_of(money, payment_method="pm_card_visa") for _ in range(6)]
    with money.bank.failing("error"):
        for intent in made:
            await money.post(f"{INTENTS}/{intent['id']}/confirm")
    money.wait(60)
    taken = await asyncio.gather(*(reconcile.reconcile_due(app.res, HANDLERS) for app in money.apps))

    assert sum(taken) == len(made)
    assert {await status_of(money, intent) for intent in made} == {"succeeded"}


async def test_an_operation_that_cannot_settle_stops_no_other(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await intent_of(money, payment_method="pm_card_visa") for _ in range(2)]
    with money.bank.failing("error"):
        for intent in made:
            await money.post(f"{INTENTS}/{intent['id']}/confirm")
    settle = authorisations.AuthoriseHandler.settle

    async def lose_one(
        handler: authorisations.AuthoriseHandler,
        conn: Connection,
        op: Operation,
        outcome: Known,
        at: datetime,
    ) -> Answer | dict[str, Any]:
        if op.intent_id == made[0]["id"]:
            raise LookupError(op.id)
        return await settle(handler, conn, op, outcome, at)

    money.wait(60)
    with monkeypatch.context() as patch:
        patch.setattr(authorisations.AuthoriseHandler, "settle", lose_one)
        await reconcile.reconcile_due(money.apps[0].res, HANDLERS)
    assert [await status_of(money, intent) for intent in made] == ["processing", "succeeded"]

    money.wait(120)
    await money.settle()
    assert await status_of(money, made[0]) == "succeeded"
    await money.prove()
