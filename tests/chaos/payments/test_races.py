"""Many at once over two API processes: one effect, one winner, never too much."""

import asyncio
import uuid
from collections import Counter

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.merchant import PAYMENT

ALL_AT_ONCE = 200
REFUNDS = 50
ROUNDS = 10


async def test_two_hundred_requests_with_one_key_are_one_charge(chaos: Chaos) -> None:
    key = uuid.uuid4().hex
    answers = await asyncio.gather(
        *(chaos.merchant.attempt("/v1/payment_intents", PAYMENT, key) for _ in range(ALL_AT_ONCE))
    )
    statuses = Counter(answer.status_code if answer is not None else None for answer in answers)
    assert set(statuses) <= {200, 409}
    assert statuses[200] >= 1
    bodies = {answer.content for answer in answers if answer is not None and answer.status_code == 200}
    refusals = {answer.json()["error"]["code"] for answer in answers if answer and answer.status_code == 409}
    assert len(bodies) == 1
    assert refusals <= {"idempotency_key_in_use"}
    paid = await chaos.merchant.pay(key)
    assert len(await chaos.merchant.charges_of(paid["id"])) == 1
    await chaos.proven()


async def test_fifty_refunds_at_once_never_exceed_the_capture(chaos: Chaos) -> None:
    paid = await chaos.merchant.pay()
    part = {"payment_intent": paid["id"], "amount": 70}
    answers = await asyncio.gather(*(chaos.merchant.post("/v1/refunds", part) for _ in range(REFUNDS)))
    fitting = 2_000 // 70
    assert Counter(answer.status_code for answer in answers) == {200: fitting, 400: REFUNDS - fitting}
    booked = await chaos.merchant.charges_of(paid["id"])
    assert [charge["refunded"] for charge in booked] == [fitting * 70]
    charge = await chaos.merchant.get(f"/v1/charges/{paid['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (fitting * 70, False)
    await chaos.proven()


async def test_capture_against_cancel_has_one_winner(chaos: Chaos) -> None:
    for _ in range(ROUNDS):
        held = await chaos.merchant.pay(capture_method="manual")
        road = f"/v1/payment_intents/{held['id']}"
        api, other = chaos.stack.apis
        answers = await asyncio.gather(
            chaos.merchant.post(f"{road}/capture", {}, api=api),
            chaos.merchant.post(f"{road}/cancel", {}, api=other),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        loser = next(answer for answer in answers if answer.status_code == 400)
        assert loser.json()["error"]["code"] == "payment_intent_unexpected_state"
        won = "succeeded" if answers[0].is_success else "canceled"
        assert (await chaos.merchant.settled(held["id"]))["status"] == won
        (booked,) = await chaos.merchant.charges_of(held["id"])
        assert booked["status"] == ("captured" if won == "succeeded" else "voided")
    await chaos.proven()


async def test_confirms_of_one_intent_under_many_keys_charge_once(chaos: Chaos) -> None:
    made = await chaos.merchant.pay(confirm=False)
    road = f"/v1/payment_intents/{made['id']}/confirm"
    answers = await asyncio.gather(*(chaos.merchant.post(road, {}) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert (await chaos.merchant.settled(made["id"]))["status"] == "succeeded"
    assert len(await chaos.merchant.charges_of(made["id"])) == 1
    await chaos.proven()
