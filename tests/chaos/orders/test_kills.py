"""kill -9 each process in turn while orders arrive: none is lost, charged twice or left waiting."""

import pytest

from tests.chaos.orders.conftest import Chaos
from tests.support.orders_shop import buying, ends_of

WHILE_DOWN, AFTER = 6, 2  # orders that arrive


@pytest.mark.slow
async def test_any_process_may_be_killed_while_orders_arrive(chaos: Chaos) -> None:
    stack = chaos.stack
    async with buying(chaos.shop, chaos.basket, rate_per_s=4) as load:
        await load.more(AFTER)
        for process in stack.named.values():
            await process.kill()
            await load.more(WHILE_DOWN)
            await process.start()
            await load.more(AFTER)
    proof = await chaos.proven()
    ends = ends_of(proof.orders)
    assert set(ends) == {"completed", "rejected: payment_declined", "rejected: out_of_stock"}, ends
