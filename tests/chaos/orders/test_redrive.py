"""Dead letters from the failure to the fix: listed, tried in vain, redriven by filter and rate, once."""

import asyncio

import pytest

from tests.chaos.orders.conftest import Chaos
from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.orders_shop import DECLINED_CARD, Shop
from tests.support.orders_stack import Json, OrdersStack

COMPLETED, REJECTED = "orders.order-completed.v1", "orders.order-rejected.v1"
CHANGES, BACK = "orders.order-changed.v1", "notifications.retry.redrive"
GOOD, DECLINED = 40, 5
RATE_PER_S = 20
OURS = {"group": "notifications"}


@pytest.mark.slow
async def test_after_the_fix_all_complete_at_the_rate_that_was_asked_for(chaos: Chaos) -> None:
    stack, shop = chaos.stack, chaos.shop
    for event_type in (COMPLETED, REJECTED):
        await stack.fault("notifications", event_type, "permanent")
    await asyncio.gather(*(shop.place(chaos.basket.skus[0]) for _ in range(GOOD)))
    await asyncio.gather(*(shop.place(chaos.basket.skus[0], card=DECLINED_CARD) for _ in range(DECLINED)))
    await shop.all_ended()
    letters = await dead(stack, GOOD + DECLINED)
    assert {letter["event_type"] for letter in letters} == {COMPLETED, REJECTED}
    assert {letter["key"] for letter in letters} == {order["id"] for order in shop.placed}

    await a_dry_run_changes_nothing(stack)
    await what_fails_again_is_the_same_letter(stack, letters[0])
    await stack.clear_faults()
    away = await elsewhere(stack)
    await only_what_the_filter_takes(stack)
    assert GOOD * 0.9 / RATE_PER_S <= await the_rest_at_its_rate(stack) <= GOOD * 1.1 / RATE_PER_S

    await eventually(lambda: resolved(stack, shop), timeout_s=30, interval_s=0.3)
    assert await elsewhere(stack) == away, "only the group that failed saw them again"
    await chaos.proven()
    again = await stack.redrive(filter=OURS)
    assert (again["matched"], again["done"]) == (0, 0), "a second run finds nothing"


async def dead(stack: OrdersStack, count: int) -> list[Json]:
    return await eventually(
        lambda: stack.dead_letters(state="dead", **OURS),
        timeout_s=40,
        interval_s=0.3,
        accept=lambda rows: len(rows) == count,
    )


async def resolved(stack: OrdersStack, shop: Shop) -> bool:
    """Every order of the shop has its letter, and each was applied at last."""
    letters = await stack.dead_letters(state="resolved", **OURS)
    missing = {order["id"] for order in shop.placed} - {letter["key"] for letter in letters}
    assert not missing
    return True


async def a_dry_run_changes_nothing(stack: OrdersStack) -> None:
    tables = await stack.fingerprints(["orders", "notifications"], without=[*RESTLESS_HERE])
    ends = await kafka_topics.ends(stack.kafka, [BACK])
    run = await stack.redrive(filter={**OURS, "event_type": REJECTED}, dry_run=True)
    assert (run["matched"], run["done"]) == (DECLINED, 0)
    assert await stack.fingerprints(["orders", "notifications"], without=[*RESTLESS_HERE]) == tables
    assert await kafka_topics.ends(stack.kafka, [BACK]) == ends


# A dry run is written down as a run; the rest moves by itself.
RESTLESS_HERE = ("consumer_offsets", "outbox_leases", "outbox_relays", "redrive_runs", "outbox")


async def what_fails_again_is_the_same_letter(stack: OrdersStack, letter: Json) -> None:
    run = await stack.redrive(filter={**OURS, "key": letter["key"]})
    assert (run["matched"], run["done"]) == (1, 1)

    async def now() -> Json:
        return dict(await stack.ask("GET", f"/v1/dead-letters/{letter['id']}"))

    after = await eventually(
        now, timeout_s=20, accept=lambda row: row["state"] == "dead" and row["redrives"] == 1
    )
    assert after["trace_id"] == letter["trace_id"]
    assert (after["topic"], after["offset"]) == (letter["topic"], letter["offset"]) != (BACK, 0)


async def only_what_the_filter_takes(stack: OrdersStack) -> None:
    run = await stack.redrive(filter={**OURS, "event_type": REJECTED})
    assert (run["matched"], run["done"]) == (DECLINED, DECLINED)
    left = await dead(stack, GOOD)
    assert {letter["event_type"] for letter in left} == {COMPLETED}


async def the_rest_at_its_rate(stack: OrdersStack) -> float:
    """How long the records of the run took to leave, by their own timestamps."""
    before = len(await kafka_topics.read(stack.kafka, [BACK]))
    run = await stack.redrive(filter=OURS, rate=RATE_PER_S)
    assert (run["matched"], run["done"]) == (GOOD, GOOD)
    records = await eventually(
        lambda: kafka_topics.read(stack.kafka, [BACK]),
        timeout_s=20,
        accept=lambda found: len(found) == before + GOOD,
    )
    sent = [record.appended_ms for record in records[before:]]
    return (sent[-1] - sent[0]) / 1000 * GOOD / (GOOD - 1)


async def elsewhere(stack: OrdersStack) -> Json:
    """What other groups could have seen: the topic that the letters come from, and their tables."""
    inventory = await stack.fingerprints(["inventory", "payments"])
    return {"ends": await kafka_topics.ends(stack.kafka, [CHANGES]), **inventory}
