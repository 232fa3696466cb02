"""A customer who changes his mind at any moment: one end, and the money is where that end says."""

import asyncio
import random

from tests.chaos.orders.conftest import Chaos
from tests.support.orders_shop import CARD, DECLINED_CARD

ORDERS = 60
ACCEPTED, AGAIN, FINISHED = 202, 200, 409


async def test_a_cancel_that_races_with_every_step_ends_in_one_state_and_the_right_money(
    chaos: Chaos,
) -> None:
    dice = random.Random(20)  # noqa: S311
    answers: dict[str, list[int]] = {}
    latest_s = 1.5 * await time_of_an_order_s(chaos)  # so that cancels meet every step

    async def one(number: int) -> None:
        sku = chaos.basket.sold_out if number % 10 == 0 else chaos.basket.skus[0]
        assert sku is not None
        order = await chaos.shop.place(sku, card=DECLINED_CARD if number % 10 == 5 else CARD)
        if number % 10 == 9:
            await chaos.shop.ended(order["id"])
        else:
            await asyncio.sleep(dice.uniform(0, latest_s))
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


async def time_of_an_order_s(chaos: Chaos) -> float:
    started = asyncio.get_running_loop().time()
    order = await chaos.shop.place(chaos.basket.skus[0])
    await chaos.shop.ended(order["id"])
    return asyncio.get_running_loop().time() - started
