"""Runs that redrive or discard dead letters at an even pace, and outlive whoever began them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from chassis import dlq, metrics, outbox
from chassis.ids import uuid7
from chassis.logs import get_logger
from chassis.postgres import PASSING, Connection
from chassis.records import Origin, Record
from chassis.retry import Stop, sleep_or_stop

from orders.domain.letters import Filter, Kind, Order, Run
from orders.domain.pacing import Pace
from orders.problems import RunNotFound
from orders.store import dead_letters, redrives
from orders.usecases.dead_letters import Desk

_log = get_logger(__name__)

LOOK_EVERY_S: Final = 0.25

_REDRIVES = metrics.counter(
    "redrives_total", "Dead letters sent to their group again, or discarded.", ("group", "outcome")
)


class Overtaken(Exception):  # noqa: N818 the field's word
    """The lease ran out and another process goes on with the run."""


async def begin(desk: Desk, order: Order) -> Run:
    """Count what fits and write the run down, with its lease; a dry run is over at once."""
    settings = desk.settings
    async with desk.db.acquire() as conn, conn.transaction():
        fitting = await _count(conn, desk, order)
        row = await redrives.insert(
            conn,
            uuid7(),
            order,
            filter_=order.filter.named(),
            matched=fitting[0],
            ordinal_max=fitting[1],
            lease_s=settings.redrive_lease_s,
        )
    run = run_of(row)
    _log.info("redrive.begun", run=str(run.id), kind=order.kind, matched=run.matched, dry_run=order.dry_run)
    return run


async def _count(conn: Connection, desk: Desk, order: Order) -> tuple[int, int]:
    state = order.kind.takes(order.filter.state)
    if state is None:
        return 0, 0
    row = await dead_letters.count_fitting(conn, order.filter, state=state, groups=_groups(desk, order.kind))
    return row["letters"], row["ordinal"]


def _groups(desk: Desk, kind: Kind) -> Sequence[str] | None:
    """Only groups that take letters back are sent any: a topic that is not there would stop the outbox."""
    return desk.settings.redrivable if kind is Kind.REDRIVE else None


async def get(desk: Desk, run_id: UUID) -> Run:
    """Raises RunNotFound."""
    async with desk.db.acquire() as conn:
        row = await redrives.get(conn, run_id)
    if row is None:
        raise RunNotFound
    return run_of(row)


async def begin_and_wait(
    desk: Desk, order: Order, *, wait_s: float, leaving: Callable[[], bool] = lambda: False
) -> Run:
    """Work the run off in this process for at most `wait_s`; what is left then is any worker's.

    `leaving` tells that the process is about to end, which nobody shall wait for.
    """
    run, enough = await begin(desk, order), asyncio.Event()
    work = asyncio.create_task(work_off(desk, run, enough))
    until = time.monotonic() + wait_s
    try:
        while not (work.done() or leaving()) and (left_s := until - time.monotonic()) > 0:
            await asyncio.wait([work], timeout=min(left_s, LOOK_EVERY_S))
    finally:
        enough.set()
        await work
    return await get(desk, run.id)


async def work_to_the_end(desk: Desk, run: Run) -> Run:
    """However long it takes, and whoever else takes the run over meanwhile."""
    never = asyncio.Event()
    await work_off(desk, run, never)
    while not (run := await get(desk, run.id)).is_over:
        await sleep_or_stop(never, desk.settings.redrive_poll_s)
    return run


async def stop(desk: Desk, run_id: UUID) -> Run:
    """End a run where it is; what it has done stays done. Raises RunNotFound."""
    async with desk.db.acquire() as conn:
        await redrives.stop(conn, run_id)
    return await get(desk, run_id)


async def work_off(desk: Desk, run: Run, stopping: Stop) -> None:
    """Until the run is over, `stopping` is set, or another process has it; frees it when it ends early.

    Every step is a transaction: letters, their records, their history and how far the run came.
    """
    settings = desk.settings
    pace = Pace(run.order.rate, now=time.monotonic(), catch_up_s=settings.redrive_catch_up_s)
    try:
        while not run.is_over and not stopping.is_set():
            wait_s = max(pace.wait_s(time.monotonic()), settings.redrive_tick_s)
            await sleep_or_stop(stopping, min(wait_s, settings.redrive_lease_s / 3))
            try:
                advanced = await _step(desk, run, pace.due(time.monotonic()))
            except PASSING as error:
                _log.info("redrive.postponed", run=str(run.id), error=type(error).__name__)
                await sleep_or_stop(stopping, settings.redrive_poll_s)
            else:
                pace.went(advanced.done - run.done)
                run = advanced
    except Overtaken:
        _log.info("redrive.overtaken", run=str(run.id))
        return
    except asyncio.CancelledError:
        await asyncio.shield(_let_go(desk, run))
        raise
    if run.is_over:
        _log.info("redrive.finished", run=str(run.id), matched=run.matched, done=run.done)
    else:
        await _let_go(desk, run)


async def _step(desk: Desk, run: Run, due: int) -> Run:
    """Deal with at most `due` letters, and renew the lease. Raises Overtaken."""
    settings = desk.settings
    async with desk.db.acquire() as conn, conn.transaction():
        held = await redrives.hold(conn, run.id, run.fencing, lease_s=settings.redrive_lease_s)
        if held is None:
            raise Overtaken
        # The row knows better than we do when the answer to our last commit was lost.
        run = run_of(held)
        limit = min(due, run.planned - run.done, settings.redrive_batch_max)
        if due == 0:
            return run
        taken = await _take(conn, desk, run, limit) if limit > 0 else []
        advanced = await _deal_with(conn, run, taken)
    for letter in taken:
        _REDRIVES.labels(letter["consumer_group"], run.order.kind.leads_to).inc()
    return advanced


async def _deal_with(conn: Connection, run: Run, taken: Sequence[Any]) -> Run:
    order, ids = run.order, [row["id"] for row in taken]
    if order.kind is Kind.REDRIVE:
        await outbox.add_records(conn, [_again(row) for row in await dead_letters.messages(conn, ids)])
    await dead_letters.mark(conn, ids, order.kind, run_id=run.id, actor=order.actor)
    row = await redrives.advance(
        conn,
        run.id,
        letters=len(taken),
        ordinal=taken[-1]["ordinal"] if taken else run.ordinal_max,
        over=not taken or run.done + len(taken) >= run.planned,
    )
    return run_of(row)


async def _take(conn: Connection, desk: Desk, run: Run, limit: int) -> list[Any]:
    """The next letters of the run, as many as fit in one transaction."""
    order = run.order
    state = order.kind.takes(order.filter.state)
    if state is None:
        return []
    rows = await dead_letters.lock_fitting(
        conn,
        order.filter,
        state=state,
        groups=_groups(desk, order.kind),
        after=run.ordinal,
        up_to=run.ordinal_max,
        limit=limit,
    )
    room = desk.settings.redrive_batch_bytes_max
    for index, row in enumerate(rows):
        room -= row["bytes"]
        if room < 0 and index > 0:
            return rows[:index]
    return rows


def _again(row: Any) -> Record:
    return dlq.redrive_record(
        row["consumer_group"],
        Origin(row["topic"], row["partition"], row["message_offset"]),
        key=row["key"],
        value=row["value"],
        headers=list(zip(row["header_names"], row["header_values"], strict=True)),
        redrives=row["redrives"] + 1,
    )


async def _let_go(desk: Desk, run: Run) -> None:
    try:
        async with desk.db.acquire() as conn:
            await redrives.let_go(conn, run.id, run.fencing)
    except PASSING as error:
        # The lease runs out by itself.
        _log.info("redrive.not_freed", run=str(run.id), error=type(error).__name__)


def run_of(row: Any) -> Run:
    order = Order(
        kind=Kind(row["kind"]),
        filter=msgspec.convert(row["filter"], Filter),
        rate=row["rate"],
        letters_max=row["letters_max"],
        actor=row["actor"],
        dry_run=row["dry_run"],
    )
    return Run(
        id=row["id"],
        order=order,
        matched=row["matched"],
        done=row["done"],
        ordinal=row["ordinal"],
        ordinal_max=row["ordinal_max"],
        state=row["state"],
        fencing=row["fencing"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
