"""Two processes' worth of API at once: one charge a key, one winner between moves that exclude each other."""

import asyncio
from collections import Counter

import pytest

from tests.integration.payments_intents.paying import INTENTS, booked_of, intent_of, status_of
from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_two_hundred_requests_with_one_key_are_one_charge(money: Money) -> None:
    params = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    headers = {"Idempotency-Key": "storm"}
    answers = await asyncio.gather(
        *(
            (money.api if n % 2 else money.other).post(INTENTS, data=params, headers=headers)
            for n in range(200)
        )
    )

    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {200, 409}, counts
    assert all(error_of(a)["code"] == "idempotency_key_in_use" for a in answers if a.status_code == 409)
    bodies = {answer.content for answer in answers if answer.status_code == 200}
    [paid] = bodies
    assert paid
    [intent] = (await money.get(INTENTS))["data"]
    [booked] = await booked_of(money, intent)
    assert (booked["status"], booked["captured"]) == ("captured", 2000)


async def test_many_confirms_with_keys_of_their_own_charge_once(money: Money) -> None:
    made = await intent_of(money, payment_method="pm_card_visa")
    path = f"{INTENTS}/{made['id']}/confirm"
    answers = await asyncio.gather(
        *(
            (money.api if n % 2 else money.other).post(path, headers={"Idempotency-Key": f"k{n}"})
            for n in range(20)
        )
    )

    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 19}
    assert len(await booked_of(money, made)) == 1
    await money.prove()


@pytest.mark.parametrize("turn", range(4))
async def test_a_capture_against_a_cancel_has_one_winner(money: Money, turn: int) -> None:
    held = await money.pay(5000, capture_method="manual")
    one, two = (money.api, money.other) if turn % 2 else (money.other, money.api)
    captured, canceled = await asyncio.gather(
        one.post(f"{INTENTS}/{held['id']}/capture"), two.post(f"{INTENTS}/{held['id']}/cancel")
    )

    statuses = {captured.status_code, canceled.status_code}
    assert statuses == {200, 400}
    loser = captured if captured.status_code == 400 else canceled
    assert error_of(loser)["code"] == "payment_intent_unexpected_state"
    [booked] = await booked_of(money, held)
    end = (await status_of(money, held), booked["status"])
    assert end == (("succeeded", "captured") if captured.status_code == 200 else ("canceled", "voided"))
    await money.prove()


@pytest.mark.parametrize("turn", range(4))
async def test_a_confirm_against_a_cancel_has_one_winner(money: Money, turn: int) -> None:
    made = await intent_of(money, payment_method="pm_card_visa")
    one, two = (money.api, money.other) if turn % 2 else (money.other, money.api)
    confirmed, canceled = await asyncio.gather(
        one.post(f"{INTENTS}/{made['id']}/confirm"), two.post(f"{INTENTS}/{made['id']}/cancel")
    )

    assert {confirmed.status_code, canceled.status_code} == {200, 400}
    charges = [charge["status"] for charge in await booked_of(money, made)]
    if confirmed.status_code == 200:
        assert (await status_of(money, made), charges) == ("succeeded", ["captured"])
    else:
        assert (await status_of(money, made), charges) == ("canceled", [])


async def test_partial_captures_at_once_take_one_of_them(money: Money) -> None:
    held = await money.pay(5000, capture_method="manual")
    answers = await asyncio.gather(
        *(
            money.post(f"{INTENTS}/{held['id']}/capture", amount_to_capture=amount)
            for amount in (1000, 2000, 3000, 4000)
        )
    )

    won = [answer.json()["amount_received"] for answer in answers if answer.status_code == 200]
    [booked] = await booked_of(money, held)
    assert won == [booked["captured"]]
    await money.prove()
