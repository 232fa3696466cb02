"""Every topic from offset 0 with a group that forgot where it stood: no table changes and nothing is sent."""

import asyncio

import pytest

from tests.chaos.orders.conftest import Chaos
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.orders_shop import DECLINED_CARD
from tests.support.orders_stack import OrdersStack
from tests.support.processes import connected

WORKERS = ("orders-worker", "inventory-worker", "notifications-worker")
GROUPS = {
    "orders": "orders",
    "inventory": "inventory",
    "notifications": "notifications",
    "dead-letters": "orders",
}
KINDS = 6
# Poison in the log is poison again, and what was redriven is applied: the index knows both already.
SAID_AGAIN = (".dlq", "dead-letters.letter-resolved.v1")


@pytest.mark.slow
async def test_a_replay_of_everything_changes_no_table_and_sends_nothing(chaos: Chaos) -> None:
    stack, shop = chaos.stack, chaos.shop
    await orders_of_every_kind(chaos)
    await chaos.proven()
    topics = await topics_of(stack)
    ends = await at_rest(stack, topics)
    tables, mails = await stack.fingerprints(), await stack.mails_count()

    await asyncio.gather(*(stack.named[name].stop() for name in WORKERS))
    for group, database in GROUPS.items():
        rows = await stack.fetch(
            database, "SELECT DISTINCT topic FROM consumer_offsets WHERE consumer_group = $1", group
        )
        await kafka_topics.rewind(stack.kafka, group, [row["topic"] for row in rows])
        async with connected(stack.dsns[database]) as conn:
            await conn.execute("DELETE FROM consumer_offsets WHERE consumer_group = $1", group)
    await asyncio.gather(*(stack.named[name].start() for name in WORKERS))

    await eventually(lambda: caught_up(stack, ends), timeout_s=60, interval_s=0.3)
    await quiet(stack)
    different = changed(tables, await stack.fingerprints())
    assert different == {}, different
    assert await stack.mails_count() == mails
    again = await kafka_topics.ends(stack.kafka, topics)
    written = {place: (ends[place], end) for place, end in again.items() if end != ends[place]}
    assert not [topic for topic, _ in written if not topic.endswith(SAID_AGAIN)], written
    assert len(await shop.listing()) == len(shop.placed)


async def orders_of_every_kind(chaos: Chaos) -> None:
    """Completed, declined, sold out, cancelled."""
    shop, (sku, *_others) = chaos.shop, chaos.basket.skus
    assert chaos.basket.sold_out is not None
    for _ in range(KINDS):
        await shop.place(sku)
        await shop.place(sku, card=DECLINED_CARD)
        await shop.place(sku, chaos.basket.sold_out)
        order = await shop.place(sku)
        await shop.cancel(order["id"])


async def at_rest(stack: OrdersStack, topics: list[str]) -> dict[tuple[str, int], int]:
    """The ends of all topics once every group has reached them and nothing is on its way."""

    async def reached() -> dict[tuple[str, int], int]:
        await quiet(stack)
        ends = await kafka_topics.ends(stack.kafka, topics)
        await caught_up(stack, ends)
        assert await kafka_topics.ends(stack.kafka, topics) == ends
        return ends

    return await eventually(reached, timeout_s=60, interval_s=0.5)


async def topics_of(stack: OrdersStack) -> list[str]:
    """Those that any of the groups has read, and so all that could be written to again."""
    found: set[str] = set()
    for group, database in GROUPS.items():
        rows = await stack.fetch(
            database, "SELECT DISTINCT topic FROM consumer_offsets WHERE consumer_group = $1", group
        )
        found |= {row["topic"] for row in rows}
    return sorted(found)


async def quiet(stack: OrdersStack) -> None:
    """No event is on its way."""

    async def waiting() -> int:
        counts = [
            (await stack.fetch(name, "SELECT count(*) FROM outbox"))[0][0]
            for name in ("orders", "inventory", "notifications", "payments")
        ]
        return sum(counts)

    await eventually(waiting, timeout_s=30, accept=lambda count: count == 0)


async def caught_up(stack: OrdersStack, ends: dict[tuple[str, int], int]) -> bool:
    """Every group stands at the end of every partition that it reads and that holds anything."""
    for group, database in GROUPS.items():
        rows = await stack.fetch(
            database,
            "SELECT topic, partition, next_offset FROM consumer_offsets WHERE consumer_group = $1",
            group,
        )
        assert rows, f"{group} has not begun"
        for row in rows:
            end = ends[row["topic"], row["partition"]]
            assert row["next_offset"] >= end or end == 0, (group, tuple(row), end)
    return True


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {
        t: (before.get(t), after.get(t))
        for t in before.keys() | after.keys()
        if before.get(t) != after.get(t)
    }
