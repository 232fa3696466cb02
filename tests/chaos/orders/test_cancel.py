"""A customer who changes his mind at any moment: one end, and the money is where that end says."""

import asyncio
import random

from tests.chaos.orders.conftest import Chaos
from tests.support.orders_shop import DECLINED_CARD

ORDERS = 60
LATEST_S = 0.8  # about as long as an order takes: cancels meet every step
ACCEPTED, AGAIN, FINISHED = 202, 200, 409


async def test_a_cancel_that_races_with_every_step_ends_in_one_state_and_the_right_money(
    chaos: Chaos,
) -> None:
    dice = random.Random(20)  # noqa: S311
    answers: dict[str, list[int]] = {}

    async def one(number: int) -> None:
        sku = chaos.basket.sold_out if number % 10 == 0 else chaos.basket.skus[0]
        assert sku is not None
        order = await chaos.shop.place(sku, **({"card": DECLINED_CARD} if number % 10 == 5 else {}))
        await asyncio.sleep(dice.uniform(0, LATEST_S))
        twice = (chaos.shop.cancel(order["id"]) for _ in range(2))
        answers[order["id"]] = sorted(await asyncio.gather(*twice))

    async with asyncio.TaskGroup() as group:
        for number in range(ORDERS):
            group.create_task(one(number))
            await asyncio.sleep(0.03)

    proof = await chaos.proven()
    for order_id, statuses in answers.items():
        ended = proof.orders[order_id]["status"]
        if ended == "cancelled":
            assert statuses == [AGAIN, ACCEPTED], "accepted once, and again is no error"
        else:
            assert statuses == [FINISHED, FINISHED], f"{ended}, though a cancel was accepted"
    assert {order["status"] for order in proof.orders.values()} >= {"completed", "cancelled"}
