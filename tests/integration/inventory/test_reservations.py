"""Reservations on a real Postgres: batches, crossings, time that runs out, and transactions that die."""

import asyncio
import random
from collections import Counter

import pytest
from chassis.retry import Transient
from inventory.domain.reservations import Command
from inventory.events import event_id
from inventory.usecases import reservations
from inventory.usecases.reservations import answer, expire_due

from tests.integration.inventory.served import (
    Served,
    confirm,
    release,
    reserve,
    serving,
    settings_of,
    states,
)
from tests.support.eventually import eventually

SKUS = [f"sku_{n}" for n in range(8)]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_batch_is_answered_in_its_order_and_written_at_once(shop: Served) -> None:
    await shop.shelve(lamp=10, shade=2)
    await shop.say(
        reserve("ord_1", lamp=6, shade=1),
        reserve("ord_2", lamp=5),
        reserve("ord_3", lamp=4, shade=1),
        confirm("ord_1"),
        release("ord_3"),
    )
    assert [(event.order_id, event.state, event.version) for event in await shop.told()] == [
        ("ord_1", "reserved", 1),
        ("ord_2", "refused", 1),
        ("ord_3", "reserved", 1),
        ("ord_1", "confirmed", 2),
        ("ord_3", "released", 2),
    ]
    lamp = await shop.level("lamp")
    assert (lamp["stock"], lamp["reserved"], lamp["sold"], lamp["available"]) == (4, 0, 6, 4)
    await shop.assert_clean()


async def test_a_command_that_comes_again_is_told_the_same_event(shop: Served) -> None:
    await shop.shelve(lamp=10)
    for _ in range(2):
        await shop.say(reserve("ord_1", lamp=6))
    for _ in range(2):
        await shop.say(confirm("ord_1"))
    told = await shop.told()
    assert states(told) == [("reserved", 1), ("reserved", 1), ("confirmed", 2), ("confirmed", 2)]
    assert [event.id for event in told] == [event_id("ord_1", version) for version in (1, 1, 2, 2)]
    assert (await shop.level("lamp"))["sold"] == 6


async def test_a_refusal_that_is_asked_for_again_names_the_same_shortage(shop: Served) -> None:
    await shop.shelve(lamp=1)
    await shop.say(reserve("ord_1", lamp=6))
    await shop.shelve(lamp=100)
    await shop.say(reserve("ord_1", lamp=6))
    rows = await shop.db.fetch("SELECT value FROM outbox ORDER BY id")
    assert rows[0]["value"] == rows[1]["value"]
    assert b'{"sku":"lamp","requested":6,"available":1}' in rows[0]["value"]


async def test_each_answer_stands_in_the_trace_of_its_command(shop: Served) -> None:
    await shop.shelve(lamp=10)
    other = TRACE.replace("4bf9", "5bf9")
    await shop.say(reserve("ord_1", trace=TRACE, lamp=1), reserve("ord_2", trace=other, lamp=1))
    assert [event.trace for event in await shop.told()] == [TRACE, other]


async def test_what_nobody_confirms_expires_once_and_is_told_in_its_trace(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", expires_in_s=-1, trace=TRACE, lamp=6), reserve("ord_2", lamp=3))
    assert await asyncio.gather(*(expire_due(shop.res) for _ in range(4))) in (
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    )
    told = await shop.told(of="ord_1")
    assert states(told) == [("reserved", 1), ("expired", 2)]
    assert told[-1].trace == TRACE
    assert (await shop.level("lamp"))["available"] == 7
    await shop.assert_clean()


async def test_expiry_goes_on_batch_by_batch(shop: Served) -> None:
    await shop.shelve(lamp=1_000)
    orders = [f"ord_{n:03}" for n in range(25)]
    await shop.say(*(reserve(order, expires_in_s=-1, lamp=1) for order in orders))
    settings = shop.res.settings.model_copy(update={"expiry_batch_max": 10})
    small = type(shop.res).of(settings, shop.db)
    assert [await expire_due(small) for _ in range(4)] == [10, 10, 5, 0]
    assert (await shop.level("lamp"))["reserved"] == 0


async def test_a_confirmed_reservation_never_expires(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", expires_in_s=-1, lamp=6), confirm("ord_1"))
    assert await expire_due(shop.res) == 0
    assert (await shop.level("lamp"))["sold"] == 6


async def test_a_confirmation_after_the_expiry_takes_the_stock_again_or_is_refused(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", expires_in_s=-1, lamp=6), reserve("ord_2", expires_in_s=-1, lamp=4))
    assert await expire_due(shop.res) == 2
    await shop.say(confirm("ord_1"), reserve("ord_3", lamp=3), confirm("ord_2"))
    assert states(await shop.told(of="ord_1")) == [("reserved", 1), ("expired", 2), ("confirmed", 3)]
    (refusal,) = [event for event in await shop.told(of="ord_2") if event.state == "refused"]
    assert refusal.reason == "expired"
    await shop.assert_clean()


async def test_a_reservation_that_is_asked_for_after_the_expiry_is_held_anew(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", expires_in_s=-1, lamp=6))
    assert await expire_due(shop.res) == 1
    await shop.say(reserve("ord_1", lamp=6))
    assert states(await shop.told()) == [("reserved", 1), ("expired", 2), ("reserved", 3)]
    assert await expire_due(shop.res) == 0
    assert (await shop.level("lamp"))["reserved"] == 6
    await shop.assert_clean()


async def test_a_confirmation_and_the_expiry_that_cross_end_in_a_sale(shop: Served) -> None:
    await shop.shelve(lamp=100)
    orders = [f"ord_{n:02}" for n in range(20)]
    await shop.say(*(reserve(order, expires_in_s=-1, lamp=5) for order in orders))
    await asyncio.gather(
        *(shop.say(confirm(order)) for order in orders), *(expire_due(shop.res) for _ in range(10))
    )
    ends = Counter(
        state for _, state in (await reservations.list_reservations(shop.res, after="", limit=100))[0]
    )
    assert ends == {"confirmed": 20}
    assert (await shop.level("lamp"))["sold"] == 100
    await shop.assert_clean()


async def test_a_release_before_its_reservation_leaves_a_tombstone(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(release("ord_1"))
    await shop.say(reserve("ord_1", lamp=6))
    told = await shop.told()
    assert [(event.state, event.reason) for event in told] == [("released", None), ("refused", "released")]
    assert (await shop.level("lamp"))["available"] == 10


async def test_the_last_units_go_to_one_of_many(shop: Served) -> None:
    await shop.shelve(lamp=30)
    await asyncio.gather(*(shop.say(reserve(f"ord_{n:03}", lamp=1)) for n in range(60)))
    outcomes = Counter(event.state for event in await shop.told())
    assert outcomes == {"reserved": 30, "refused": 30}
    await shop.assert_clean()


async def test_one_order_in_two_transactions_at_once_is_answered_alike(shop: Served) -> None:
    """A redriven command and a new one come by two partitions, and so to two workers."""
    await shop.shelve(lamp=500)
    for n in range(10):
        order = f"ord_{n}"
        await asyncio.gather(shop.say(reserve(order, lamp=1)), shop.say(release(order)))
        told = await shop.told(of=order)
        assert states(told) in (
            [("reserved", 1), ("released", 2)],
            [("released", 1), ("refused", 2)],
        )
    assert (await shop.level("lamp"))["reserved"] == 0
    await shop.assert_clean()


async def test_an_order_that_was_answered_meanwhile_makes_the_batch_try_again(shop: Served) -> None:
    await shop.shelve(lamp=10)
    async with shop.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await answer(conn, [reserve("ord_1", lamp=1)])
        rival = asyncio.create_task(_once(shop, release("ord_1")))
        await _somebody_waits_for_a_lock(shop)
        await transaction.commit()
    with pytest.raises(Transient):
        await rival
    await shop.say(release("ord_1"))
    assert states(await shop.told()) == [("reserved", 1), ("released", 2)]


async def _once(shop: Served, *commands: Command) -> None:
    async with shop.db.acquire() as conn, conn.transaction():
        await answer(conn, commands)


async def _somebody_waits_for_a_lock(shop: Served) -> None:
    await eventually(
        lambda: shop.db.fetchval(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()
            """
        )
    )


async def test_a_transaction_that_dies_leaves_nothing_behind(shop: Served) -> None:
    await shop.shelve(lamp=10)
    async with shop.db.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await answer(conn, [reserve("ord_1", lamp=6), confirm("ord_1")])
        await transaction.rollback()
    assert await shop.told() == []
    assert (await shop.level("lamp"))["available"] == 10
    await shop.assert_clean()


async def test_nobody_waits_in_a_ring_and_nothing_is_lost(shop: Served) -> None:
    """Batches over the same SKUs in any order, counts, receipts and expiries, all at once."""
    rng = random.Random(11)  # noqa: S311
    await shop.shelve(**dict.fromkeys(SKUS, 60))
    await asyncio.gather(
        *(_sagas(shop, rng, worker) for worker in range(4)),
        _people(shop, rng),
        _people(shop, rng),
        _time(shop),
    )
    await shop.assert_clean()


async def _sagas(shop: Served, rng: random.Random, worker: int) -> None:
    """A deadlock would be raised here, and be an answer of 503 below."""
    for batch in range(6):
        orders = [f"ord_{worker}_{batch}_{n}" for n in range(12)]
        baskets = [{sku: rng.randint(1, 3) for sku in rng.sample(SKUS, 3)} for _ in orders]
        await shop.say(
            *(
                reserve(order, basket, expires_in_s=rng.choice([-1, 900]))
                for order, basket in zip(orders, baskets, strict=True)
            )
        )
        rng.shuffle(orders)
        await shop.say(*map(confirm, orders[:5]), *map(release, orders[5:9]))


async def _people(shop: Served, rng: random.Random) -> None:
    for _ in range(15):
        sku = rng.choice(SKUS)
        counted = await shop.put(sku, rng.randint(20, 80))
        assert counted.status_code in (200, 409)
        received = await shop.receive(sku, rng.randint(1, 9))
        assert received.status_code == 200


async def _time(shop: Served) -> None:
    for _ in range(15):
        await expire_due(shop.res)


async def test_a_process_without_its_key_serves_nobody(shop: Served) -> None:
    settings = settings_of(shop.res.settings.database_url, inventory_api_key=None)
    async with serving(settings) as closed:
        assert (await closed.put("lamp", 1)).status_code == 401
