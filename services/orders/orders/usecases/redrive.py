"""What the worker does about dead letters: takes up runs, measures, forgets what was settled long ago."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from chassis import metrics
from chassis.logs import get_logger
from chassis.postgres import PASSING
from chassis.server import StopSignal

from orders.domain.letters import Run
from orders.store import dead_letters, redrives
from orders.usecases.dead_letters import Desk, measure
from orders.usecases.redrive_runs import run_of, work_off

_log = get_logger(__name__)

_ACTIVE: Final = metrics.gauge("redrive_run_active", "Redrive and discard runs that are not over.")


async def run(res: Desk, stop: StopSignal) -> None:
    """Until stopped; several at once share the runs."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_take_up_runs(res, stop))
        group.create_task(_watch(res, stop))
        group.create_task(_reap_now_and_then(res, stop))


async def _take_up_runs(res: Desk, stop: StopSignal) -> None:
    """A slow run keeps no other waiting: each is a task, up to a maximum."""
    tasks: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as group:
        while not await stop.sleep(res.settings.redrive_poll_s):
            tasks = {task for task in tasks if not task.done()}
            if len(tasks) >= res.settings.redrive_runs_max:
                continue
            try:
                taken = await _take(res)
            except PASSING as error:
                _log.info("redrive.not_taken_up", error=type(error).__name__)
                continue
            if taken is not None:
                _log.info("redrive.taken_up", run=str(taken.id), fencing=taken.fencing, done=taken.done)
                tasks.add(group.create_task(_work_off(res, taken, stop)))


async def _work_off(res: Desk, taken: Run, stop: StopSignal) -> None:
    """A run that cannot go on stops nothing else; its lease runs out, and it is tried again."""
    try:
        await work_off(res, taken, stop)
    except (asyncpg.PostgresError, LookupError, ValueError) as error:
        _log.error("redrive.failed", run=str(taken.id), error=f"{type(error).__name__}: {error}")


async def _take(res: Desk) -> Run | None:
    async with res.db.acquire() as conn:
        row = await redrives.take(conn, lease_s=res.settings.redrive_lease_s)
    return None if row is None else run_of(row)


async def _watch(res: Desk, stop: StopSignal) -> None:
    while not await stop.sleep(res.settings.letters_report_s):
        try:
            await measure(res)
            async with res.db.acquire() as conn:
                _ACTIVE.set(await redrives.count_open(conn))
        except PASSING as error:
            _log.info("dead_letters.unmeasured", error=type(error).__name__)


async def _reap_now_and_then(res: Desk, stop: StopSignal) -> None:
    while not await stop.sleep(res.settings.reap_every_s):
        try:
            await reap(res)
        except PASSING as error:
            _log.info("dead_letters.not_reaped", error=type(error).__name__)


async def reap(res: Desk) -> None:
    """Forget letters that were settled, and runs that were over, `letters_kept_s` ago."""
    older_than = datetime.now(UTC) - timedelta(seconds=res.settings.letters_kept_s)
    async with res.db.acquire() as conn:
        letters = await dead_letters.reap(conn, older_than, limit=res.settings.reap_batch_max)
        runs = await redrives.reap(conn, older_than, limit=res.settings.reap_batch_max)
    if letters or runs:
        _log.info("dead_letters.reaped", letters=letters, runs=runs)
