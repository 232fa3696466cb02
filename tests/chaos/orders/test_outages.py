"""The broker or the payments are away while orders arrive: all are accepted, none is rejected, all end."""

import asyncio
from collections.abc import Awaitable, Callable

import psutil
import pytest

from tests.chaos.orders.conftest import PAYMENT_CALLS_MAX, Chaos
from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.orders_shop import Basket, Shop, buying, ends_of
from tests.support.orders_stack import OrdersStack
from tests.support.processes import Process

# What grows with the length is the backlog alone.
BROKER_AWAY_S = effort(8.0, full=30.0)
PAYMENTS_AWAY_S = effort(6.0, full=60.0)
RATE_PER_S = 12.0


@pytest.mark.slow
async def test_orders_are_accepted_without_a_broker_and_all_end_when_it_is_back(chaos: Chaos) -> None:
    async with buying(chaos.shop, chaos.basket, rate_per_s=RATE_PER_S) as load:
        await load.more(10)
        await asyncio.to_thread(chaos.kafka.stop)
        before = len(chaos.shop.placed)
        await asyncio.sleep(BROKER_AWAY_S)
        accepted = len(chaos.shop.placed) - before
        await asyncio.to_thread(chaos.kafka.start)
        await load.more(10)
    assert accepted > BROKER_AWAY_S * RATE_PER_S * 0.8
    assert not chaos.shop.refused, "each was accepted the first time it was asked"
    await chaos.proven()


async def stalled(stack: OrdersStack) -> None:
    """Its connections stay open and nothing answers: what costs callers most."""
    stack.named["payments"].stall()


async def without_a_bank(stack: OrdersStack) -> None:
    await stack.payments.fault("outage")


@pytest.mark.slow
@pytest.mark.parametrize("disturb", [stalled, without_a_bank])
async def test_payments_that_fail_for_a_while_reject_no_order(
    chaos: Chaos, disturb: Callable[[OrdersStack], Awaitable[None]]
) -> None:
    dead = await chaos.stack.dead_letters(state="dead")
    healthy = Basket(chaos.basket.skus)
    async with buying(chaos.shop, healthy, rate_per_s=RATE_PER_S) as load:
        await load.more(5)
        await disturb(chaos.stack)
        open_calls = await most_calls_in(PAYMENTS_AWAY_S, chaos.stack)
    assert not chaos.shop.refused, "orders are accepted all the same"
    assert not [order for order in await chaos.shop.listing() if order["status"] == "rejected"]
    await chaos.stack.heal()
    proof = await chaos.proven()
    assert set(ends_of(proof.orders)) == {"completed"}
    assert open_calls <= PAYMENT_CALLS_MAX
    assert await chaos.stack.dead_letters(state="dead") == dead


async def most_calls_in(seconds: float, stack: OrdersStack) -> int:
    """The most connections that the saga's worker held to payments, which bounds its calls in flight."""
    worker, port = psutil.Process(stack.named["orders-worker"].pid), stack.named["payments"].port
    most = 0
    for _ in range(int(seconds / 0.25)):
        await asyncio.sleep(0.25)
        held = [c for c in worker.net_connections("tcp") if c.raddr and c.raddr.port == port]
        most = max(most, len(held))
    return most


async def test_a_reply_that_is_lost_after_charging_charges_nobody_twice(chaos: Chaos) -> None:
    await chaos.stack.payments.fault("reply_lost", probability=0.7)
    await many(chaos.shop, chaos.basket.skus[0])
    await chaos.stack.payments.fault(None)
    proof = await chaos.proven()
    assert set(ends_of(proof.orders)) == {"completed"}


async def test_payments_that_die_after_charging_charge_nobody_twice(chaos: Chaos) -> None:
    """The bank acts on what it was sent though the caller has gone: charged, and nobody was told."""
    bank, payments = chaos.stack.named["bank"], chaos.stack.named["payments"]
    series = 'bank_faults_total{kind="slow"}'
    before = await bank.metric(series)
    await chaos.stack.payments.fault("slow", delay_ms=700)
    await many(chaos.shop, chaos.basket.skus[0])
    await reached(bank, series, before + 5)
    await payments.kill()
    await chaos.stack.payments.fault(None)
    await payments.start()
    proof = await chaos.proven()
    assert set(ends_of(proof.orders)) == {"completed"}


async def many(shop: Shop, sku: str, *, count: int = 30) -> None:
    await asyncio.gather(*(shop.place(sku) for _ in range(count)))


async def reached(bank: Process, series: str, count: float) -> None:
    """The bank has that many requests in its hands, or had them."""
    await eventually(lambda: bank.metric(series), timeout_s=30, accept=lambda now: now >= count)
