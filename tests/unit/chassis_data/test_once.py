"""Repeats that memory answers: refused while the first runs, replayed when it has ended, and counted."""

import asyncio

import pytest
from chassis.idempotency import OUTCOMES
from chassis.once import Answer, Once, Repeatable


class InFlightError(Exception):
    pass


class MismatchError(Exception):
    pass


@pytest.fixture
def once() -> Once:
    return Once(size_max=2, ttl_s=60, body_bytes_max=64, in_flight=InFlightError, mismatch=MismatchError)


def counted(outcome: str) -> float:
    return float(OUTCOMES.labels(outcome)._value.get())


def request(key: str = "k", *, amount: int = 1) -> Repeatable | None:
    return Repeatable.of("tenant", key, "POST /things", {"amount": amount})


async def made() -> Answer:
    return Answer.of({"id": 1}, 201)


async def test_a_repeat_is_answered_from_memory_and_counts_as_a_replay(once: Once) -> None:
    before = counted("replay")
    first = await once.run(request(), made)
    again = await once.run(request(), made)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.body == first.body
    assert counted("replay") == before + 1


async def test_the_same_key_with_other_parameters_is_a_mismatch(once: Once) -> None:
    before = counted("mismatch")
    await once.run(request(), made)
    with pytest.raises(MismatchError):
        await once.run(request(amount=2), made)
    assert counted("mismatch") == before + 1


async def test_a_repeat_while_the_first_runs_is_refused_and_counts_as_in_flight(once: Once) -> None:
    before, may_end = counted("inflight"), asyncio.Event()

    async def slowly() -> Answer:
        await may_end.wait()
        return await made()

    first = asyncio.create_task(once.run(request(), slowly))
    await asyncio.sleep(0)
    with pytest.raises(InFlightError):
        await once.run(request(), made)
    may_end.set()
    assert (await first).status == 201
    assert counted("inflight") == before + 1


async def test_memory_forgets_the_oldest_and_never_keeps_a_large_answer(once: Once) -> None:
    for key in ("a", "b", "c"):
        await once.run(request(key), made)
    assert not (await once.run(request("a"), made)).replayed

    async def large() -> Answer:
        return Answer(200, b"x" * 65)

    await once.run(request("large"), large)
    assert not (await once.run(request("large"), large)).replayed


async def test_without_a_key_nothing_is_remembered(once: Once) -> None:
    await once.run(None, made)
    assert not (await once.run(None, made)).replayed
