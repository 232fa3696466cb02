"""What many ask for at once is done once for all who came before."""

import asyncio

import pytest
from metrics_ingest.usecases.reached import SharedCall


async def test_a_call_that_begins_later_serves_all_who_asked_before_it_began() -> None:
    begun = 0

    async def flush() -> None:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0)

    shared = SharedCall(flush)
    await asyncio.gather(*(shared.make() for _ in range(50)))
    assert begun == 2


async def test_one_that_asks_afterwards_or_after_a_failure_has_a_call_of_its_own() -> None:
    outcomes: list[Exception | None] = [OSError("away"), None, None]

    async def flush() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    shared = SharedCall(flush)
    with pytest.raises(OSError, match="away"):
        await shared.make()
    await shared.make()
    await shared.make()
    assert outcomes == []
