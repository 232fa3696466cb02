"""Bodies within bounds: sizes are refused when they are told, waits are bounded, memory is given back."""

import asyncio
import gzip
from collections.abc import Iterator

import pytest
from chassis.resilience import BulkheadFullError
from metrics_ingest.domain.bodies import BodyTooLarge, EncodingUnknown
from metrics_ingest.receivers.reading import Bodies, BodyLate, Disconnected, Unpacking
from metrics_ingest.usecases.turns import Memory
from starlette.types import Message, Receive

MIB = 2**20


def memory(total: int = 4 * MIB) -> Memory:
    return Memory(total, wait_s=0.01, waiting_max=4)


def parts(*chunks: bytes, more: bool = False) -> Receive:
    """Messages as the server gives them; with `more`, it then waits for ever."""
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    )

    async def receive() -> Message:
        message = next(messages, None)
        if message is None and more:
            await asyncio.Event().wait()
        return message or {"type": "http.request", "body": b"", "more_body": False}

    return receive


async def left() -> Message:
    return {"type": "http.disconnect"}


async def untouched() -> Message:
    raise AssertionError("the body was read")


async def read(
    bodies: Bodies, receive: Receive, *, declared: int | None = None, bytes_max: int = 2 * MIB
) -> bytes:
    async with bodies.read(receive, declared, bytes_max) as body:
        return body


@pytest.mark.parametrize("declared", [None, 3, 2 * MIB])
async def test_a_body_in_parts_is_put_together(declared: int | None) -> None:
    bodies = Bodies(memory(), timeout_s=5)

    assert await read(bodies, parts(b"a", b"", b"bc"), declared=declared) == b"abc"


async def test_a_large_body_of_unknown_length_is_whole() -> None:
    chunks = [bytes([number]) * 65_536 for number in range(20)]

    assert await read(Bodies(memory(), timeout_s=5), parts(*chunks)) == b"".join(chunks)


async def test_a_declared_size_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BodyTooLarge):
        await read(Bodies(memory(), timeout_s=5), untouched, declared=2 * MIB + 1)


async def test_an_undeclared_size_is_refused_as_soon_as_it_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        await read(Bodies(memory(), timeout_s=5), parts(*[b"x" * MIB] * 3))


async def test_large_bodies_wait_for_each_other_and_small_ones_for_nobody() -> None:
    bodies = Bodies(memory(), timeout_s=5)
    async with bodies.read(parts(b"x"), 4 * MIB, 8 * MIB):
        with pytest.raises(BulkheadFullError):
            await read(bodies, parts(b"x"), declared=MIB)
        assert await read(bodies, parts(b"small"), declared=5) == b"small"

    assert await read(bodies, parts(b"x"), declared=MIB) == b"x"


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    held = memory()
    with pytest.raises(BodyLate):
        await read(Bodies(held, timeout_s=0.01), parts(b"x", more=True), declared=2 * MIB)

    async with held.hold(4 * MIB):
        pass


async def test_a_sender_that_leaves_is_noticed() -> None:
    with pytest.raises(Disconnected):
        await read(Bodies(memory(), timeout_s=5), left)


@pytest.mark.parametrize("size", [10, 100_000, 2 * MIB])
async def test_what_was_packed_comes_out_as_it_was(size: int) -> None:
    plain = b"m" * size

    async with Unpacking(memory()).unpacked(gzip.compress(plain), "GZIP", 2 * MIB) as found:
        assert found == plain


async def test_a_bomb_is_refused_and_its_memory_given_back() -> None:
    held = memory()
    with pytest.raises(BodyTooLarge):
        async with Unpacking(held).unpacked(gzip.compress(b"\0" * (8 * MIB)), "gzip", 2 * MIB):
            pass

    async with held.hold(4 * MIB):
        pass


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_what_comes_to_more_than_its_length_is_held_as_such(encoding: str) -> None:
    held = memory()
    plain = b"[]," * 30_000
    body = gzip.compress(plain) if encoding else plain

    async with Unpacking(held).unpacked(body, encoding, 4 * MIB, lambda body: 40 * len(body)) as found:
        assert found == plain
        with pytest.raises(BulkheadFullError):
            async with held.hold(MIB):
                pass

    async with held.hold(4 * MIB):
        pass


async def test_what_is_not_packed_has_the_same_bound() -> None:
    with pytest.raises(BodyTooLarge):
        async with Unpacking(memory()).unpacked(b"x" * 11, "identity", 10):
            pass


async def test_an_unknown_encoding_is_told() -> None:
    with pytest.raises(EncodingUnknown):
        async with Unpacking(memory()).unpacked(b"x", "br", MIB):
            pass
