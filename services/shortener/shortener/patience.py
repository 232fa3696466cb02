"""Waiting for a server without blaming it for what this process was too busy to read."""

import asyncio
from typing import Any, Final

SLICES: Final = 10


async def settled(task: asyncio.Task[Any], timeout_s: float) -> bool:
    """Wait for a task, tell whether it ended; nothing is cancelled.

    A turn of the loop that takes long counts as one slice of the time, so that a burst of requests, which
    keeps an answer unread, is not taken for a silent server.
    """
    for _ in range(SLICES):
        done, _pending = await asyncio.wait([task], timeout=timeout_s / SLICES)
        if done:
            return True
    return False
