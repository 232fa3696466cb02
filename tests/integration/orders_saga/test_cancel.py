"""A cancel at any moment: what is accepted ends cancelled, with the stock and the money back."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from orders.domain.facts import StockConfirmed
from orders.domain.saga import State

if TYPE_CHECKING:
    from tests.integration.orders_saga.conftest import Desk


@pytest.mark.parametrize("called", ["before the call", "after the call", "reply lost"])
@pytest.mark.parametrize("state", [State.RESERVING, State.AUTHORISING, State.CONFIRMING, State.CAPTURING])
async def test_a_cancel_in_any_state_ends_cancelled_with_everything_given_back(
    desk: "Desk", state: State, called: str
) -> None:
    order_id = await desk.brought_to(state)
    executor = desk.executor()
    if called == "reply lost":
        desk.far_end.mood = "lossy"
        await desk.work(executor)
        desk.far_end.mood = "well"
    elif called == "after the call":
        await executor.turn()
        if executor._calls:
            await asyncio.wait(executor._calls)
    await desk.cancel(order_id)
    await desk.cancel(order_id)
    await desk.work(executor)
    await desk.goes_on(order_id)
    timeline = await desk.timeline(order_id)
    assert timeline[-1] == "cancelled"
    assert timeline.count("cancelling") == 1
    for intent in desk.far_end.of_order(order_id):
        assert intent["status"] == "canceled" or desk.far_end.refunded(order_id) == 700
    commands = [e["ce_type"] for e in await desk.told(order_id)]
    assert "orders.stock-release-requested.v1" in commands


async def test_cancels_answers_and_events_at_once_leave_one_end(desk: "Desk") -> None:
    order_ids = [await desk.brought_to(State.AUTHORISING) for _ in range(20)]

    async def cancel_all() -> None:
        for order_id in reversed(order_ids):
            await desk.cancel(order_id)

    async def confirm_all() -> None:
        for order_id in order_ids:
            await desk.learn(order_id, StockConfirmed())

    await asyncio.gather(desk.work(), desk.work(), cancel_all(), confirm_all())
    for order_id in order_ids:
        await desk.goes_on(order_id)
        assert (await desk.timeline(order_id))[-1] == "cancelled"
        for intent in desk.far_end.of_order(order_id):
            assert intent["status"] == "canceled" or desk.far_end.refunded(order_id) == 700
