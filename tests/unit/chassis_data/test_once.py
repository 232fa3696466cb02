"""What memory decides of a key, before it costs a connection."""

import asyncio

import pytest
from chassis.idempotency import InFlight, Mismatch, Replay
from chassis.once import Answer, Once, Repeatable


class InUseError(Exception):
    """Stands for a service's own."""


class OtherRequestError(Exception):
    """Stands for a service's own."""


def once(*, size_max: int = 10, ttl_s: float = 60.0, body_bytes_max: int = 100) -> Once:
    return Once(
        size_max=size_max,
        ttl_s=ttl_s,
        body_bytes_max=body_bytes_max,
        in_flight=InUseError,
        mismatch=OtherRequestError,
    )


def request(key: str = "k", parameters: object = 1) -> Repeatable:
    made = Repeatable.of("tenant", key, "/route", parameters)
    assert made is not None
    return made


class Work:
    """Counts its runs and, when told so, waits for `go`."""

    def __init__(self, body: bytes = b"{}", *, waits: bool = False) -> None:
        self.runs = 0
        self.go = asyncio.Event()
        self._body = body
        if not waits:
            self.go.set()

    async def __call__(self) -> Answer:
        self.runs += 1
        await self.go.wait()
        return Answer(200, self._body)


async def test_a_repeat_gets_the_kept_answer_and_runs_nothing() -> None:
    memory, work = once(), Work(b"first")

    first = await memory.run(request(), work)
    again = await memory.run(request(), work)

    assert (first.body, first.replayed, again.body, again.replayed) == (b"first", False, b"first", True)
    assert work.runs == 1


async def test_while_it_runs_a_repeat_is_in_flight_and_another_request_a_mismatch() -> None:
    memory, work = once(), Work(waits=True)
    running = asyncio.create_task(memory.run(request(), work))
    await asyncio.sleep(0)

    with pytest.raises(InUseError):
        await memory.run(request(), work)
    with pytest.raises(OtherRequestError):
        await memory.run(request(parameters=2), work)
    work.go.set()
    await running

    with pytest.raises(OtherRequestError):
        await memory.run(request(parameters=2), work)
    assert work.runs == 1


async def test_a_failure_leaves_the_key_free() -> None:
    memory = once()

    async def fail() -> Answer:
        raise LookupError

    with pytest.raises(LookupError):
        await memory.run(request(), fail)
    assert (await memory.run(request(), Work())).status == 200


async def test_without_a_key_everything_runs() -> None:
    memory, work = once(), Work()
    for _ in range(2):
        await memory.run(None, work)
    assert work.runs == 2
    assert Repeatable.of("tenant", None, "/route", 1) is None


@pytest.mark.parametrize(
    "memory", [once(size_max=0), once(ttl_s=-1.0), once(body_bytes_max=1)], ids=["full", "old", "large"]
)
async def test_memory_is_only_a_shortcut(memory: Once) -> None:
    work = Work()
    for _ in range(2):
        assert not (await memory.run(request(), work)).replayed
    assert work.runs == 2


async def test_the_oldest_answer_goes_first() -> None:
    memory, work = once(size_max=2), Work()
    for key in ("a", "b", "c", "b", "a"):
        await memory.run(request(key), work)
    assert work.runs == 4


def test_what_the_table_holds_is_an_answer_or_a_refusal() -> None:
    memory = once()
    assert memory.stored(Replay(402, {"A": "b"}, b"no")) == Answer(402, b"no", {"A": "b"}, replayed=True)
    with pytest.raises(OtherRequestError):
        memory.stored(Mismatch())
    with pytest.raises(InUseError):
        memory.stored(InFlight())


def test_parts_of_a_request_have_keys_of_their_own() -> None:
    whole = request()
    parts = {(part.key, part.fingerprint) for part in (whole.part(0, 1), whole.part(1, 1), whole.part(0, 2))}
    assert len(parts) == 3
    assert whole.part(0, 1) == whole.part(0, 1)
