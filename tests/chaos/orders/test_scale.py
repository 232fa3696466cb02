"""One worker of each kind becomes three and one again while orders arrive."""

import asyncio

import pytest

from tests.chaos.orders.conftest import Chaos
from tests.support.orders_shop import buying

KINDS = (("orders.worker", "orders"), ("inventory.worker", "inventory"))


@pytest.mark.slow
async def test_workers_come_and_go_under_load_and_no_order_notices(chaos: Chaos) -> None:
    stack = chaos.stack
    more = [stack.service(module, database) for module, database in KINDS for _ in range(2)]
    try:
        async with buying(chaos.shop, chaos.basket, rate_per_s=6) as load:
            await load.more(5)
            await asyncio.gather(*(process.start() for process in more))
            await load.more(25)
            assert [await process.stop() for process in more] == [0] * len(more)
            await load.more(10)
        await chaos.proven()
    finally:
        for process in more:
            await process.close()
            stack.processes.remove(process)
