"""Receivers are killed under load: what was acknowledged is stored exactly once, and the ledger balances."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.chaos.metrics_ingest.hostile import PROTOBUF, WRITE
from tests.support import remote_write
from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.metrics_stack import Account, MetricsStack

KILLS = effort(3, full=10)
SENDERS = 4
SERIES = 50
BATCHES_BETWEEN = 30  # that are acknowledged between two crashes


class Load:
    """Batches of distinct points; each is sent, to one receiver or the next, until it is acknowledged."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._numbers = itertools.count(1)
        self._base_ms = int(time.time() * 1000) - 1_800_000
        self.acknowledged = 0
        self.sum = 0

    async def send_until(self, stop: asyncio.Event, sender: int) -> None:
        while not stop.is_set():
            number = next(self._numbers)
            await self._deliver(self._body(number), sender)
            self.acknowledged += 1
            self.sum += SERIES * number

    def _body(self, number: int) -> bytes:
        """One sample of each series, at a time of its own; the value is the batch's number."""
        sample = [(self._base_ms + number, float(number))]
        batch = [remote_write.series([("__name__", "kept"), ("n", str(n))], sample) for n in range(SERIES)]
        return remote_write.snap(remote_write.request(batch))

    async def _deliver(self, body: bytes, sender: int) -> None:
        for attempt in itertools.count(sender):
            receiver = attempt % len(self._account.stack.receivers)
            try:
                answer = await self._account.send(WRITE, body, receiver=receiver, content_type=PROTOBUF)
            except httpx.TransportError:
                continue  # nobody knows whether it was taken: the same again, elsewhere
            if answer.status_code == httpx.codes.NO_CONTENT:
                return
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text

    async def more(self, batches: int) -> None:
        goal = self.acknowledged + batches
        await eventually(lambda: self.acknowledged >= goal, timeout_s=60, interval_s=0.05)


@asynccontextmanager
async def loading(account: Account) -> AsyncIterator[Load]:
    load, stop = Load(account), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for sender in range(SENDERS):
            group.create_task(load.send_until(stop, sender))
        try:
            yield load
        finally:
            stop.set()


@pytest.mark.slow
async def test_every_acknowledged_point_is_stored_once_whichever_receiver_is_killed(
    stack: MetricsStack,
) -> None:
    account = await stack.tenant()
    async with loading(account) as load:
        for kill in range(KILLS):
            await load.more(BATCHES_BETWEEN)
            receiver = stack.receivers[kill % len(stack.receivers)]
            await receiver.kill()
            await load.more(BATCHES_BETWEEN)
            await receiver.start()
    await account.shows("sum(count_over_time(kept[1h]))", SERIES * load.acknowledged)
    await account.shows("sum(sum_over_time(kept[1h]))", load.sum)
    # What was taken and not told of, was sent and counted again; the store keeps one of equal samples.
    ledger = await account.settled(accepted=SERIES * load.acknowledged)
    assert ledger["rejected"] == {}
    assert ledger["received"] == ledger["stored"]
