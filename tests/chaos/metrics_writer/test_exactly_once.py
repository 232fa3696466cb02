"""Writer and store are killed again and again under load: count and sum are exact; the naive way loses."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from chassis.kafka import Record
from metrics_ingest import consumers
from metrics_ingest.domain.writer_bounds import WriterBounds
from metrics_ingest.usecases.writing import Writing
from metrics_ingest.victoria import victoria_of

from tests.chaos.metrics_writer.flow import Flow
from tests.support import kafka_topics
from tests.support.batches import TOPIC, block, headers
from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.processes import Process, Processes

ROUNDS = effort(2, full=7)
# What flows between two crashes, so that each meets work of its own.
POINTS_BETWEEN = 6000


class Naive(Writing):
    """Commits what the store has answered 204 to, as writers commonly do."""

    async def _barrier(self) -> None:
        await self._commit()


@asynccontextmanager
async def writing(flow: Flow, kind: type[Writing]) -> AsyncIterator[None]:
    """A writer and the ledger's consumer in this process."""
    bounds = WriterBounds(barrier_every_s=0.2)
    stop = asyncio.Event()
    async with victoria_of(flow.server.address, bounds, "test") as store:
        work = kind(flow.pool, store, bounds, lambda: None)
        loops = [
            consumers.writer(flow.settings, flow.pool, work, bounds),
            consumers.ledger_consumer(flow.settings, flow.pool, bounds),
        ]
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop.run(stop))
            try:
                yield
            finally:
                stop.set()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Writing, Naive])
async def test_what_was_committed_survives_kill_9_of_the_store_only_behind_the_barrier(
    flow: Flow, kind: type[Writing]
) -> None:
    async with writing(flow, kind):
        await flow.send()
        await flow.settled()  # both groups are up: what comes now is written and committed at once
        for _ in range(5):
            await flow.send()
        committed = await flow.settled()
        await asyncio.to_thread(flow.server.kill)
    assert (committed.stored, committed.residue) == (flow.sent, 0)
    await asyncio.to_thread(flow.server.start)
    survived = await flow.stored()
    if kind is Writing:
        assert survived == (flow.sent, flow.sum)
    else:
        assert survived[0] < flow.sent


@pytest.mark.slow
async def test_count_and_sum_are_exact_after_writer_and_store_were_killed_again_and_again(
    flow: Flow, processes: Processes
) -> None:
    writer = await started(processes, flow)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(flow.send_until(stop))
        for crash in [kill_writer, kill_store, kill_both] * ROUNDS:
            await more(flow)
            await crash(flow, writer)
        stop.set()
    drawn = await flow.settled()
    assert await flow.stored() == (flow.sent, flow.sum)
    assert (drawn.stored, drawn.dead, drawn.residue) == (flow.sent, {}, 0)


@pytest.mark.slow
async def test_a_frozen_store_costs_no_point_and_no_rewind(flow: Flow, processes: Processes) -> None:
    writer = await started(processes, flow)
    await flow.send()
    await flow.settled()
    flow.server.pause()
    try:
        for _ in range(5):
            await flow.send()
        found = await eventually(flow.ledger, accept=lambda one: one.accepted == flow.sent)
        assert found.in_flight > 0
    finally:
        flow.server.resume()
    await flow.settled()
    assert await flow.stored() == (flow.sent, flow.sum)
    assert await writer.metric('metrics_writer_rewinds_total{reason="store_restarted"}') == 0


@pytest.mark.slow
async def test_what_cannot_be_stored_is_buried_with_its_reason_and_the_rest_counts(
    flow: Flow, processes: Processes
) -> None:
    await started(processes, flow)
    now_ms = int(time.time() * 1000)
    nan = block("chaos_nan", [(now_ms, 1.0), (now_ms + 1, math.nan)])
    odd = [
        (b"\xff" * 20, headers(flow.tenant, 3)),  # no block
        (None, headers(flow.tenant, 2)),
        (
            b"\x20hello, world",
            headers(flow.tenant, 4),
        ),  # a block's length, and no elements
        (block("chaos_lost", [(now_ms, 1.0)]), ()),
        (block("chaos_lost", [(now_ms, 1.0)]), (*headers(flow.tenant, 1), ("accepted", b"many"))),
        (nan, headers(flow.tenant, 2, dead={"nan": 1})),
        (b"", headers(flow.tenant, 2, dead={"nan": 2})),
        (b"", headers(flow.tenant, 0, rejected={"too_old": 6})),
    ]
    poison = [Record(TOPIC, b"poison", value, told) for value, told in odd]
    # One key: the same partition, and most likely the same merge.
    good = [replace(flow.next_record(), key=b"poison") for _ in range(4)]
    await flow.send_records([good[0], *poison[:4], good[1], *poison[4:], *good[2:]])
    told = flow.sent + 3 + 2 + 4 + 2 + 2
    drawn = await eventually(
        flow.ledger, accept=lambda one: one.accepted == told and not one.in_flight, timeout_s=60
    )
    assert (drawn.received, drawn.rejected, drawn.residue) == (told + 6, {"too_old": 6}, 0)
    assert drawn.stored == flow.sent + 1
    assert drawn.dead == {"undecodable": 5, "store_refused": 4, "nan": 3}
    assert await flow.stored() == (flow.sent, flow.sum)
    letters = await eventually(
        lambda: kafka_topics.read(flow.settings.kafka_bootstrap, [f"{TOPIC}.dlq"]),
        accept=lambda found: len(found) == 5,
        timeout_s=30,
    )
    letters.sort(key=lambda letter: int(letter.header("dlq-offset") or ""))
    assert [letter.value for letter in letters] == [record.value for record in poison[:5]]
    assert [letter.header("dlq-reason") for letter in letters] == [
        *("poison", "poison", "permanent", "poison", "poison")
    ]


@pytest.mark.slow
async def test_two_writers_share_the_work_and_one_takes_over(flow: Flow, processes: Processes) -> None:
    first = await started(processes, flow)
    await processes.start("metrics_ingest.worker")
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(flow.send_until(stop))
        await more(flow)
        await first.kill()
        await more(flow)
        stop.set()
    drawn = await flow.settled()
    assert await flow.stored() == (flow.sent, flow.sum)
    assert (drawn.stored, drawn.residue) == (flow.sent, 0)


async def started(processes: Processes, flow: Flow) -> Process:
    """A writer that the broker takes for the one of the test before."""
    writer = processes.add("metrics_ingest.worker")
    writer.port = flow.settings.http_port
    await writer.start(HTTP_PORT=str(writer.port))
    return writer


async def more(flow: Flow) -> None:
    """Wait until so much more was sent, wherever the writer is."""
    goal = flow.sent + POINTS_BETWEEN
    await eventually(lambda: flow.sent >= goal, timeout_s=60, interval_s=0.05)


async def kill_writer(_flow: Flow, writer: Process) -> None:
    await writer.kill()
    await writer.start()


async def kill_store(flow: Flow, _writer: Process) -> None:
    await asyncio.to_thread(flow.server.kill)
    await asyncio.to_thread(flow.server.start)


async def kill_both(flow: Flow, writer: Process) -> None:
    await asyncio.gather(kill_store(flow, writer), kill_writer(flow, writer))
