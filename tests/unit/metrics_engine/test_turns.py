"""Memory is shared by whoever asks first, and never more than there is."""

import asyncio

import pytest
from chassis.resilience.bulkhead import BulkheadFullError
from metrics_ingest.usecases.turns import Memory, Turns


def memory(total: int = 10, *, wait_s: float = 5.0, waiting_max: int = 2) -> Memory:
    return Memory(total, wait_s=wait_s, waiting_max=waiting_max)


async def test_a_second_one_waits_until_the_first_gives_back() -> None:
    one, order = memory(), []

    async def hold(name: str, size: int, until: asyncio.Event) -> None:
        async with one.hold(size):
            order.append(name)
            await until.wait()

    first, second = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold("first", 8, first))
        tasks.create_task(hold("second", 8, second))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == ["first"]
        first.set()
        second.set()
    assert order == ["first", "second"]
    async with one.hold(10):
        pass


async def test_more_than_there_is_takes_all_of_it() -> None:
    one = memory(wait_s=0.001)
    async with one.hold(1000):
        with pytest.raises(BulkheadFullError):
            async with one.hold(1):
                pass
    async with one.hold(1):
        pass


async def test_what_is_given_back_before_the_end_is_the_next_ones() -> None:
    one = memory(wait_s=0.001)
    async with one.hold(10) as keep:
        keep(20)
        with pytest.raises(BulkheadFullError):
            await one.hold(1).__aenter__()
        keep(4)
        async with one.hold(6):
            pass
    async with one.hold(10):
        pass


async def test_no_more_wait_than_may() -> None:
    one = memory(waiting_max=1)
    async with one.hold(10):
        waiting = asyncio.create_task(one.hold(1).__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFullError):
            async with one.hold(1):
                pass
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with one.hold(10):
        pass


async def test_turns_are_taken_one_after_the_other() -> None:
    turns, order = Turns(), []

    async def work(name: str) -> None:
        for _ in range(3):
            await turns.next()
            order.append(name)

    await asyncio.gather(work("a"), work("b"))
    assert order == ["a", "b"] * 3
