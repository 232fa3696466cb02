"""Money steps on a real Postgres against a far end with moods: every place where a process can die."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from chassis.server import StopSignal
from orders.domain import facts
from orders.domain.facts import StockConfirmed, StockReserved
from orders.domain.saga import State
from orders.payments import payments_of
from orders.usecases import retention

from tests.support.eventually import eventually
from tests.support.far_end import ASKS_CUSTOMER, DECLINED, PROCESSING
from tests.support.processes import connected

if TYPE_CHECKING:
    from tests.integration.orders_saga.conftest import Desk

COMPLETED = [
    "pending",
    "stock_reserved",
    "payment_authorised",
    "stock_confirmed",
    "payment_captured",
    "completed",
]


async def test_an_order_completes_and_tells_each_step_once_in_its_own_trace(desk: "Desk") -> None:
    order_id = await desk.place(number=7)
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED
    told = await desk.told(order_id)
    changes = [event for event in told if event["topic"] == "orders.order-changed.v1"]
    assert [event["ce_sequence"] for event in changes] == ["1", "2", "3", "4", "5", "6"]
    assert changes[-1]["ce_type"] == "orders.order-completed.v1"
    assert [event["ce_type"] for event in told if event["topic"] == "orders.stock-requested.v1"] == [
        "orders.stock-reservation-requested.v1",
        "orders.stock-confirmation-requested.v1",
    ]
    assert {event["traceparent"] for event in told} == {f"00-{7:032x}-00000000000000aa-00"}
    assert {value.split("-")[1] for value in desk.far_end.traceparents} == {f"{7:032x}"}
    intent = desk.far_end.one(order_id)
    assert intent["amount_received"] == 700
    assert intent["metadata"] == {"order_id": order_id, "tenant_id": "acme"}


async def test_the_events_of_the_timeline_carry_its_ids(desk: "Desk") -> None:
    order_id = await desk.place()
    await desk.goes_on(order_id)
    ids = {event["ce_id"] for event in await desk.told(order_id)}
    rows = await desk.value(
        "SELECT array_agg(event_id::text) FROM order_timeline WHERE order_id = $1", order_id
    )
    assert set(rows) <= ids


async def test_an_executor_that_dies_after_the_call_is_followed_by_one_that_charges_nothing_more(
    desk: "Desk",
) -> None:
    order_id = await desk.brought_to(State.AUTHORISING)
    dying = desk.executor()
    await dying.turn()
    await asyncio.wait(dying._calls)  # it has its answer, and writes it nowhere
    assert desk.far_end.one(order_id)["status"] == "requires_capture"
    await desk.work()
    assert (await desk.saga(order_id)).state is State.AUTHORISING, "its lease holds"
    desk.clock.pass_(desk.settings.saga_lease_s)
    await desk.work()
    assert (await desk.saga(order_id)).state is State.CONFIRMING
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED
    assert len(desk.far_end.of_order(order_id)) == 1


@pytest.mark.parametrize("state", [State.AUTHORISING, State.CAPTURING])
async def test_a_lost_reply_is_asked_for_again_with_the_same_key(desk: "Desk", state: State) -> None:
    order_id = await desk.brought_to(state)
    desk.far_end.mood = "lossy"
    for _ in range(3):
        await desk.work()
        saga = await desk.saga(order_id)
        assert saga.state is state
        assert saga.last_error is not None
        assert saga.due_at is not None
        assert desk.clock() < saga.due_at
        desk.clock.at = saga.due_at
    desk.far_end.mood = "well"
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED
    assert desk.far_end.one(order_id)["amount_received"] == 700


async def test_two_executors_share_the_work_and_call_once_an_order(desk: "Desk") -> None:
    order_ids = [await desk.brought_to(State.AUTHORISING) for _ in range(40)]
    async with payments_of(desk.settings) as other:
        await asyncio.gather(desk.work(), desk.work(desk.executor(other)))
    assert desk.far_end.calls["POST payment_intents"] == 40
    states = [(await desk.saga(order_id)).state for order_id in order_ids]
    assert set(states) == {State.CONFIRMING}


async def test_an_executor_that_stalled_writes_nothing_over_the_one_that_took_over(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING)
    desk.far_end.mood = "slow"
    stalled = desk.executor()
    await stalled.turn()
    await desk.far_end.busy.wait()
    desk.far_end.mood = "well"
    desk.clock.pass_(desk.settings.saga_lease_s)
    await desk.work()
    await desk.learn(order_id, StockConfirmed())
    before = await desk.saga(order_id)
    desk.far_end.released.set()
    await desk.work(stalled)
    after = await desk.saga(order_id)
    assert before.state is State.CAPTURING
    assert after.version == before.version or after.state is State.DONE
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED
    assert len(desk.far_end.of_order(order_id)) == 1


async def test_a_payment_under_way_is_asked_after_until_its_end_is_known(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING, payment_method=PROCESSING)
    await desk.work()
    saga = await desk.saga(order_id)
    assert saga.polling
    assert saga.payment_intent_id == desk.far_end.one(order_id)["id"]
    desk.far_end.one(order_id)["status"] = "requires_capture"
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED
    assert desk.far_end.calls["POST payment_intents"] == 1
    assert desk.far_end.calls["GET payment_intents"] == 1


async def test_the_event_of_a_payment_under_way_ends_the_wait(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING, payment_method=PROCESSING)
    await desk.work()
    intent = desk.far_end.one(order_id)
    intent["status"] = "requires_capture"
    await desk.hear(order_id, facts.PaymentAuthorised(intent["id"]), intent["id"])
    assert (await desk.saga(order_id)).state is State.CONFIRMING
    again = await desk.hear(order_id, facts.PaymentAuthorised(intent["id"]), intent["id"])
    assert again.ignored == {"not_waited_for": 1}
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == COMPLETED


async def test_a_strangers_payment_that_names_our_order_moves_nothing(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING, payment_method=PROCESSING)
    await desk.work()
    before = await desk.saga(order_id)
    await desk.hear(order_id, facts.PaymentAuthorised("pi_of_somebody"), "pi_of_somebody")
    assert await desk.saga(order_id) == before


async def test_a_declined_card_rejects_the_order_after_its_stock_is_back(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING, payment_method=DECLINED)
    await desk.work()
    assert (await desk.saga(order_id)).state is State.RELEASING
    assert await desk.value("SELECT status FROM orders WHERE id = $1", order_id) == "pending"
    await desk.goes_on(order_id)
    assert await desk.timeline(order_id) == ["pending", "stock_reserved", "compensating", "rejected"]
    assert await desk.value("SELECT reason FROM orders WHERE id = $1", order_id) == "payment_declined"


async def test_a_payment_that_asks_for_the_customer_is_closed_and_declined(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING, payment_method=ASKS_CUSTOMER)
    await desk.goes_on(order_id)
    assert desk.far_end.one(order_id)["status"] == "canceled"
    assert await desk.value("SELECT reason FROM orders WHERE id = $1", order_id) == "payment_declined"


async def test_a_capture_that_is_refused_gives_everything_back(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.CAPTURING)
    desk.far_end.capture_refused = True
    await desk.goes_on(order_id)
    assert await desk.value("SELECT reason FROM orders WHERE id = $1", order_id) == "capture_failed"
    assert desk.far_end.one(order_id)["status"] == "canceled"


async def test_an_outage_of_a_minute_rejects_nothing(desk: "Desk") -> None:
    order_ids = [await desk.brought_to(State.AUTHORISING) for _ in range(30)]
    desk.far_end.mood = "down"
    executor = desk.executor()
    for _ in range(60):
        desk.clock.pass_(1)
        await desk.work(executor)
        await desk.sweeper().sweep()
    tried = desk.far_end.calls["POST payment_intents"]
    assert tried < 30 * 60, "a breaker keeps most calls from being made"
    assert not desk.far_end.intents
    assert await desk.value("SELECT count(*) FROM orders WHERE status = 'pending'") == 30
    desk.far_end.mood = "well"
    for order_id in order_ids:
        await desk.goes_on(order_id)
        assert await desk.timeline(order_id) == COMPLETED
    assert len(desk.far_end.intents) == 30


async def test_a_payment_that_never_comes_is_given_up_and_what_it_took_is_voided(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING)
    desk.far_end.mood = "lossy"
    await desk.work()
    desk.clock.pass_(desk.settings.saga_give_up_s)
    await desk.sweeper().sweep()
    assert (await desk.timeline(order_id))[-1] == "compensating"
    desk.far_end.mood = "well"
    await desk.goes_on(order_id)
    assert desk.far_end.one(order_id)["status"] == "canceled"
    assert await desk.value("SELECT reason FROM orders WHERE id = $1", order_id) == "payment_unavailable"


async def test_a_payment_that_was_never_begun_is_given_up_without_a_call(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.AUTHORISING)
    desk.clock.pass_(desk.settings.saga_give_up_s)
    await desk.sweeper().sweep()
    assert (await desk.saga(order_id)).state is State.RELEASING
    await desk.goes_on(order_id)
    assert not desk.far_end.calls


async def test_a_command_without_an_answer_is_sent_again_with_a_growing_pause(desk: "Desk") -> None:
    order_id = await desk.place()
    assert await desk.sweeper().sweep() == 0
    for wait_s in (30, 60, 120):
        desk.clock.pass_(wait_s)
        assert await desk.sweeper().sweep() == 1
        assert await desk.sweeper().sweep() == 0
    requests = [e for e in await desk.told(order_id) if e["topic"] == "orders.stock-requested.v1"]
    assert len(requests) == 4
    moved = await desk.learn(order_id, StockReserved(), StockReserved())
    assert moved.ignored == {"not_waited_for": 1}


async def test_a_refund_that_fails_is_stuck_until_it_is_pushed_by_hand(desk: "Desk") -> None:
    order_id = await desk.brought_to(State.CAPTURING)
    desk.far_end.mood = "lossy"
    await desk.work()
    await desk.cancel(order_id)
    desk.far_end.mood, desk.far_end.refunds_fail = "well", True
    desk.clock.pass_(10)
    await desk.work()
    assert (await desk.saga(order_id)).state is State.REFUNDING
    await desk.work()
    saga = await desk.saga(order_id)
    assert saga.stuck_since is not None
    assert saga.last_error == "expired_or_canceled_card"
    await desk.work()
    assert desk.far_end.calls["POST refunds"] == 1, "nobody tries it again by himself"
    desk.far_end.refunds_fail = False
    await desk.learn(order_id, facts.Pushed())
    await desk.goes_on(order_id)
    assert desk.far_end.refunded(order_id) == 700
    assert (await desk.timeline(order_id))[-1] == "cancelled"


async def test_a_database_that_cuts_connections_delays_steps_and_loses_none(desk: "Desk") -> None:
    order_ids = [await desk.brought_to(State.AUTHORISING) for _ in range(30)]
    executor, stop = desk.executor(), StopSignal()
    running = asyncio.create_task(executor.run(stop))

    async def confirming() -> int:
        async with connected(desk.settings.database_url) as conn:
            await conn.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3
                """
            )
            count: int = await conn.fetchval("SELECT count(*) FROM sagas WHERE state = 'confirming'")
            # A claim that was cut off after its commit waits for its lease.
            await conn.execute("UPDATE sagas SET due_at = $1 WHERE state = 'authorising'", desk.clock())
        executor.wake()
        return count

    await eventually(confirming, accept=lambda count: count == len(order_ids), timeout_s=60)
    stop.set()
    await running
    assert all(len(desk.far_end.of_order(order_id)) == 1 for order_id in order_ids)


async def test_what_is_kept_for_a_while_is_forgotten_and_no_sooner(desk: "Desk") -> None:
    old = [("orders", "old", 10), ("orders", "young", 8)]
    for consumer, event_id, days in old:
        await desk.value(
            "INSERT INTO inbox (consumer, event_id, seen_at) VALUES ($1, $2, now() - $3 * interval '1 day')",
            consumer,
            event_id,
            days,
        )
    assert await retention.reap(desk.settings, desk.pool) == 1
    assert await desk.value("SELECT string_agg(event_id, ',') FROM inbox") == "young"
