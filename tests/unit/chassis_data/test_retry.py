"""Which errors are worth another try."""

import asyncio

import asyncpg
import msgspec
import pytest
from chassis.postgres import DatabaseUnavailable
from chassis.retry import Kind, Permanent, Poison, Transient, classify, pause_s, sleep_or_stop


@pytest.mark.parametrize(
    "error",
    [
        Transient("busy"),
        DatabaseUnavailable("away"),
        TimeoutError(),
        ConnectionResetError(),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.SerializationError("serialization"),
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.AdminShutdownError("shutdown"),
    ],
)
def test_what_passes_by_itself_is_transient(error: Exception) -> None:
    assert classify(error) is Kind.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        Permanent("no such order"),
        asyncpg.CheckViolationError("negative"),
        asyncpg.DataError("out of range"),
        KeyError("bug"),
    ],
)
def test_rules_and_bugs_are_permanent(error: Exception) -> None:
    assert classify(error) is Kind.PERMANENT


@pytest.mark.parametrize(
    "error",
    [
        Poison("null value"),
        msgspec.DecodeError("not JSON"),
        msgspec.ValidationError("no such field"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    ],
)
def test_what_cannot_be_read_is_poison(error: Exception) -> None:
    assert classify(error) is Kind.POISON


def test_pauses_grow_to_their_limit_and_never_pass_it() -> None:
    for attempt in range(1, 100):
        ceiling = min(60.0, 0.5 * 2 ** (attempt - 1))
        assert ceiling / 2 <= pause_s(attempt, first_s=0.5, most_s=60.0) <= ceiling


async def test_a_stop_ends_the_pause() -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(1):
        await sleep_or_stop(stop, 3600)
