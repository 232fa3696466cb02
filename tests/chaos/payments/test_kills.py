"""kill -9 at each recovery point: one effect at the bank, and an answer for every key."""

import asyncio

import pytest

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.errands import Errand, Tasks, one_of_each, starting, unknown_of
from tests.chaos.payments.windows import Window, after_the_effect, all_done, all_due, before_the_effect

WINDOWS = [before_the_effect, after_the_effect]


async def settled_once(chaos: Chaos, errands: list[Errand]) -> None:
    for errand in errands:
        await errand.check(chaos.merchant)
    await chaos.proven()


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_a_killed_api_left_is_finished_by_the_worker(chaos: Chaos, window: Window) -> None:
    errands, tasks = await one_of_each(chaos.merchant), Tasks()
    victim = chaos.stack.apis[0]
    async with window(chaos, len(errands), starting(chaos.merchant, errands, victim, tasks)):
        await victim.kill()
    assert await asyncio.gather(*tasks) == [None] * len(errands)
    await all_done(chaos)
    await victim.start()
    await settled_once(chaos, errands)


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_a_killed_api_left_is_finished_by_the_clients_repeat(chaos: Chaos, window: Window) -> None:
    errands, tasks = await one_of_each(chaos.merchant), Tasks()
    victim, other = chaos.stack.apis
    chaos.stack.workers[0].stall()
    async with window(chaos, len(errands), starting(chaos.merchant, errands, victim, tasks)):
        await victim.kill()
    assert await asyncio.gather(*tasks) == [None] * len(errands)
    await asyncio.gather(*(errand.repeat(chaos.merchant, other) for errand in errands))
    chaos.stack.workers[0].wake()
    await victim.start()
    await settled_once(chaos, errands)


async def test_everything_killed_at_once_comes_back_to_one_effect_a_key(chaos: Chaos) -> None:
    errands, tasks = await one_of_each(chaos.merchant), Tasks()
    stack = chaos.stack
    begin = starting(chaos.merchant, errands, stack.apis[0], tasks)
    async with after_the_effect(chaos, len(errands), begin):
        await asyncio.gather(*(process.kill() for process in stack.processes))
        await stack.bank.start()
    await asyncio.gather(*tasks)
    await stack.heal()
    await all_done(chaos)
    await settled_once(chaos, errands)


async def test_a_bank_that_dies_with_requests_in_its_hands_is_asked_again(chaos: Chaos) -> None:
    errands, tasks = await one_of_each(chaos.merchant), Tasks()
    begin = starting(chaos.merchant, errands, chaos.stack.apis[0], tasks)
    async with before_the_effect(chaos, len(errands), begin):
        await chaos.stack.bank.kill()
        await chaos.stack.bank.start()
    await asyncio.gather(*tasks)
    await all_done(chaos)
    await settled_once(chaos, errands)


@pytest.mark.parametrize("window", WINDOWS)
async def test_what_a_killed_worker_was_reconciling_is_taken_up_again(chaos: Chaos, window: Window) -> None:
    worker = chaos.stack.workers[0]
    worker.stall()
    errands = await unknown_of(chaos.merchant)
    await all_due(chaos, len(errands))
    async with window(chaos, len(errands), worker.wake):
        await worker.kill()
    await worker.start()
    await all_done(chaos)
    await settled_once(chaos, errands)
