"""Outcomes that nobody knows: told as such, charged once, settled when the bank can say."""

import asyncio

import pytest

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.errands import one_of_each
from tests.chaos.payments.merchant import PAYMENT
from tests.chaos.payments.windows import all_done

PATIENCE_S = 30.0  # what the requirement allows, for an answer and for settling
UNKNOWN = {"authorise": "processing", "capture": "processing", "void": "processing", "refund": "pending"}


@pytest.mark.parametrize("fault", ["reply_lost", "hang", "error", "reset", "outage"])
async def test_an_unknown_outcome_is_told_and_then_settled(chaos: Chaos, fault: str) -> None:
    errands = await one_of_each(chaos.merchant)
    await chaos.stack.fault(fault)
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*(errand.repeat(chaos.merchant) for errand in errands))
    assert {e.kind: answer["status"] for e, answer in zip(errands, answers, strict=True)} == UNKNOWN
    intent = answers[0]["id"]
    again = await chaos.merchant.post(f"/v1/payment_intents/{intent}/confirm", {})
    assert (again.status_code, again.json()["error"]["code"]) == (400, "payment_intent_unexpected_state")

    await chaos.stack.fault(None)
    await all_done(chaos, within_s=PATIENCE_S)
    for errand, told in zip(errands, answers, strict=True):
        assert await errand.repeat(chaos.merchant) == told  # a repeat gets what was answered
        await errand.check(chaos.merchant)
    await chaos.proven()


async def test_with_the_bank_down_every_confirm_is_answered_and_what_began_is_settled(chaos: Chaos) -> None:
    await chaos.stack.bank.kill()
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(
            *(
                chaos.merchant.client().post("/v1/payment_intents", data={"amount": "100", "currency": "eur"})
                for _ in range(4)
            ),
            *(chaos.merchant.attempt("/v1/payment_intents", PAYMENT, f"down-{n}") for n in range(30)),
        )
    created, confirmed = answers[:4], [answer for answer in answers[4:] if answer is not None]
    assert {answer.status_code for answer in created if answer} == {200}  # what needs no bank goes on
    assert len(confirmed) == 30
    assert {answer.status_code for answer in confirmed} <= {200, 503}
    begun = [answer.json() for answer in confirmed if answer.status_code == 200]
    assert {document["status"] for document in begun} == {"processing"}

    await chaos.stack.bank.start()
    await all_done(chaos, within_s=PATIENCE_S)
    for document in begun:
        assert (await chaos.merchant.settled(document["id"]))["status"] == "succeeded"
        assert len(await chaos.merchant.charges_of(document["id"])) == 1
    refused = [n for n, answer in enumerate(answers[4:]) if answer is not None and answer.status_code == 503]
    for number in refused:  # nothing was kept: the same key may try again
        assert (await chaos.merchant.pay(f"down-{number}"))["status"] == "succeeded"
    await chaos.proven()
