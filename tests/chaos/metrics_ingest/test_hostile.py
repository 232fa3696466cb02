"""Hostile input: always a 4xx or a precise partial, within bounded memory, and the ledger balances."""

import asyncio
import socket
import time
from collections.abc import Awaitable

import httpx
import pytest

from tests.chaos.metrics_ingest import hostile
from tests.chaos.metrics_ingest.hostile import MIB, WRITE, Hostile, numbered
from tests.chaos.metrics_ingest.memory import Watch
from tests.support import remote_write
from tests.support.metrics_stack import Account, MetricsStack, assert_balanced

RISE_MAX_BYTES = 64 * MIB
DAY_MS = 86_400_000
SERIES = 500


async def send(account: Account, request: Hostile, receiver: int = 0) -> httpx.Response:
    return await account.send(request.path, request.body, receiver=receiver, **request.headers)


def snapped(timeseries: list[object]) -> bytes:
    return remote_write.snap(remote_write.request(timeseries))


@pytest.mark.slow
async def test_bombs_and_fragments_are_refused_and_all_receivers_together_grow_by_less_than_64_mb(
    stack: MetricsStack,
) -> None:
    account = await stack.tenant()
    requests = [*hostile.bombs(), *hostile.truncated(), *hostile.large()]
    for receiver in range(len(stack.receivers)):  # what any first request takes
        body = snapped(numbered("usual", SERIES, int(time.time() * 1000)))
        assert (await account.send(WRITE, body, receiver=receiver)).status_code == httpx.codes.NO_CONTENT
    watch = Watch(stack.receivers)

    for request in requests:
        answers = await asyncio.gather(
            *(send(account, request, receiver) for receiver in range(len(stack.receivers)))
        )
        for answer in answers:
            assert answer.status_code in request.statuses, f"{request}: {answer.status_code} {answer.text}"
        print(request.name, answers[0].status_code, watch.rise() // MIB, answers[0].text[:100])

    assert watch.rise() <= RISE_MAX_BYTES
    ledger = await account.settled()
    assert ledger["accepted"] == ledger["stored"] == SERIES * len(stack.receivers)
