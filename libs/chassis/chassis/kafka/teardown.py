"""Ends an aiokafka producer whose broker is away: its own `stop` waits for deliveries that never come.

aiokafka has no public way, so this names its private parts, in one place, for the version that is pinned. The
order matters: failing the batches under a living sender makes the sender crash on them.
"""

# ruff: noqa: SLF001

import asyncio
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors

CANCEL_ATTEMPTS = 3


async def discard(client: AIOKafkaProducer, *, timeout_s: float) -> None:
    """Whoever waits for an acknowledgement of this client gets a KafkaError now."""
    client._closed = True
    if client._sender is not None and client._sender.sender_task is not None:
        await _end(client._sender.sender_task, timeout_s / CANCEL_ATTEMPTS)
    _fail_batches(client)
    try:
        async with asyncio.timeout(timeout_s):
            await client.client.close()
    except (TimeoutError, kafka_errors.KafkaError, OSError):
        return


async def _end(task: "asyncio.Task[None]", timeout_s: float) -> None:
    # Each cancel ends the wait for one request on its way.
    for _ in range(CANCEL_ATTEMPTS):
        if task.done():
            break
        task.cancel()
        await asyncio.wait([task], timeout=timeout_s)
    if task.done() and not task.cancelled():
        task.exception()


class _ForgivingSet(set[Any]):
    """A batch that was retried has two callbacks that remove it."""

    remove = set.discard


def _fail_batches(client: AIOKafkaProducer) -> None:
    accumulator = client._message_accumulator
    error = kafka_errors.KafkaError("client discarded")
    accumulator._exception = error
    batches = [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]
    accumulator._pending_batches = _ForgivingSet(batches)
    for batch in batches:
        batch.failure(error)
        for future in (batch.future, batch._drain_waiter):
            if future.done() and not future.cancelled():
                future.exception()  # looked at: nobody may be left to hear it
