"""Why a message failed decides what becomes of it: only transient errors are tried again (ADR-0009).

A handler raises one of these, or lets a library's error speak for itself:

    HandlerError
    ├── Transient   a dependency is away or busy: in place with jitter, then the key is parked
    ├── Permanent   a rule forbids it, for ever: dead letter
    └── Poison      it cannot be read (bytes, schema, version, null value): dead letter
"""

import asyncio
import enum
import random
from typing import Protocol

import asyncpg
import msgspec

from chassis.postgres import SERVER_AWAY, DatabaseUnavailable


class HandlerError(Exception):
    """What a handler says about a message."""


class Transient(HandlerError):  # noqa: N818 the field's word
    """Will pass: try again."""


class Permanent(HandlerError):  # noqa: N818
    """Will never pass."""


class Poison(HandlerError):  # noqa: N818
    """Cannot be read."""


class Kind(enum.Enum):
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    POISON = "poison"
    EXHAUSTED = "exhausted"


# Postgres itself says that another try may succeed.
_PASSING: tuple[type[Exception], ...] = (
    Transient,
    DatabaseUnavailable,
    *SERVER_AWAY,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
)
_UNREADABLE: tuple[type[Exception], ...] = (Poison, msgspec.MsgspecError, UnicodeError)


class Stop(Protocol):
    """Set once when the process must leave; `asyncio.Event` is one."""

    def is_set(self) -> bool: ...
    async def wait(self) -> object: ...


def classify(error: Exception) -> Kind:
    """An error nobody foresaw is permanent: the message waits for its fix among the dead letters."""
    if isinstance(error, _UNREADABLE):
        return Kind.POISON
    if isinstance(error, _PASSING):
        return Kind.TRANSIENT
    return Kind.PERMANENT


def pause_s(attempt: int, *, first_s: float, most_s: float) -> float:
    """Between half and all of `first_s * 2 ** (attempt - 1)`, never above `most_s`."""
    ceiling = min(most_s, first_s * 2.0 ** min(attempt - 1, 32))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter


async def sleep_or_stop(stop: Stop, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
