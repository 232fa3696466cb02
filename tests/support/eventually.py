"""Polls a condition until it holds or a deadline passes: tests never sleep for a guessed time."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    probe: Callable[[], Coroutine[Any, Any, T]],
    *,
    timeout_s: float = ...,
    interval_s: float = ...,
    accept: Callable[[T], object] = ...,
) -> T: ...
@overload
async def eventually(
    probe: Callable[[], T],
    *,
    timeout_s: float = ...,
    interval_s: float = ...,
    accept: Callable[[T], object] = ...,
) -> T: ...
async def eventually(
    probe: Callable[[], Any],
    *,
    timeout_s: float = 10.0,
    interval_s: float = 0.02,
    accept: Callable[[Any], object] = bool,
) -> Any:
    """The first result of `probe` that `accept` takes. AssertionErrors of the probe count as "not yet"."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while True:
        try:
            result = probe()
            value = await result if inspect.isawaitable(result) else result
            if accept(value):
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s} s; last seen: {last!r}")
        await asyncio.sleep(interval_s)


def eventually_sync(
    probe: Callable[[], T],
    *,
    timeout_s: float = 10.0,
    interval_s: float = 0.02,
    accept: Callable[[T], object] = bool,
) -> T:
    """The same for tests that run no event loop, such as those of the make targets."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = probe()
            if accept(value):
                return value
            last: object = value
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s} s; last seen: {last!r}")
        time.sleep(interval_s)
