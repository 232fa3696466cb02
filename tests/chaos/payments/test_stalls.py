"""A process that stalls beyond its lease and wakes finds its work done, and writes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.payments.conftest import Chaos
from tests.chaos.payments.errands import Tasks, one_of_each, starting, unknown_of
from tests.chaos.payments.windows import all_done, all_due, before_the_effect
from tests.support.eventually import eventually
from tests.support.processes import Process

FENCED = "payments_operations_fenced_total"


async def test_a_stalled_api_that_wakes_is_fenced_off_and_tells_what_the_other_did(chaos: Chaos) -> None:
    errands, tasks = await one_of_each(chaos.merchant), Tasks()
    api = chaos.stack.apis[0]
    before = await api.metric(FENCED)
    async with before_the_effect(chaos, len(errands), starting(chaos.merchant, errands, api, tasks)):
        api.stall()
    await all_done(chaos)
    api.wake()
    answers = await asyncio.gather(*tasks)
    assert [answer.status_code for answer in answers if answer] == [200] * len(errands)
    assert await api.metric(FENCED) == before + len(errands)
    for errand in errands:
        await errand.check(chaos.merchant)
    await chaos.proven()


async def test_a_stalled_worker_that_wakes_is_fenced_off(chaos: Chaos) -> None:
    worker = chaos.stack.workers[0]
    before = await worker.metric(FENCED)
    worker.stall()
    errands = await unknown_of(chaos.merchant)
    await all_due(chaos, len(errands))
    async with before_the_effect(chaos, len(errands), worker.wake):
        worker.stall()
    async with another_worker(chaos):
        await all_done(chaos)
        worker.wake()
        await eventually(lambda: worker.metric(FENCED), accept=lambda now: now == before + len(errands))
    for errand in errands:
        await errand.check(chaos.merchant)
    await chaos.proven()


@asynccontextmanager
async def another_worker(chaos: Chaos) -> AsyncIterator[None]:
    process = Process("payments.worker", chaos.stack.environment, chaos.stack.folder / "other-worker.log")
    try:
        await process.start()
        yield
    finally:
        await process.close()
