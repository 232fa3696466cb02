"""Rows of redrive and discard runs; a change needs the fencing number of the lease."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asyncpg import Record
from chassis.postgres import Connection

from orders.domain.letters import Order


async def insert(
    conn: Connection,
    run_id: UUID,
    order: Order,
    *,
    filter_: dict[str, Any],
    matched: int,
    ordinal_max: int,
    lease_s: float,
) -> Record:
    """The caller holds its lease; a run with nothing to do is over at once."""
    row = await conn.fetchrow(
        """
        INSERT INTO redrive_runs (
            id, kind, filter, rate, letters_max, dry_run, actor, matched, ordinal_max, state, finished_at,
            fencing, locked_until
        )
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, begun.state,
               CASE WHEN begun.state = 'done' THEN clock_timestamp() END,
               1, clock_timestamp() + $10::interval
        FROM (SELECT CASE WHEN $6 OR $8 = 0 THEN 'done' ELSE 'running' END AS state) AS begun
        RETURNING id, kind, filter, rate, letters_max, dry_run, actor, matched, done, ordinal, ordinal_max,
                  state, fencing, created_at, finished_at
        """,
        run_id,
        order.kind,
        filter_,
        order.rate,
        order.letters_max,
        order.dry_run,
        order.actor,
        matched,
        ordinal_max,
        timedelta(seconds=lease_s),
    )
    assert row is not None  # noqa: S101 it was inserted
    return row


async def get(conn: Connection, run_id: UUID) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, kind, filter, rate, letters_max, dry_run, actor, matched, done, ordinal, ordinal_max,
               state, fencing, created_at, finished_at
        FROM redrive_runs
        WHERE id = $1
        """,
        run_id,
    )


async def take(conn: Connection, *, lease_s: float) -> Record | None:
    """The oldest run that nobody works on, with its lease."""
    return await conn.fetchrow(
        """
        UPDATE redrive_runs
        SET fencing = fencing + 1, locked_until = clock_timestamp() + $1::interval
        WHERE id = (
            SELECT id
            FROM redrive_runs
            WHERE state = 'running' AND locked_until <= clock_timestamp()
            ORDER BY created_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        RETURNING id, kind, filter, rate, letters_max, dry_run, actor, matched, done, ordinal, ordinal_max,
                  state, fencing, created_at, finished_at
        """,
        timedelta(seconds=lease_s),
    )


async def hold(conn: Connection, run_id: UUID, fencing: int, *, lease_s: float) -> Record | None:
    """Renew the lease and lock the row; None: another owner has it, or it is over."""
    return await conn.fetchrow(
        """
        UPDATE redrive_runs
        SET locked_until = clock_timestamp() + $3::interval
        WHERE id = $1 AND fencing = $2 AND state = 'running'
        RETURNING id, kind, filter, rate, letters_max, dry_run, actor, matched, done, ordinal, ordinal_max,
                  state, fencing, created_at, finished_at
        """,
        run_id,
        fencing,
        timedelta(seconds=lease_s),
    )


async def advance(conn: Connection, run_id: UUID, *, letters: int, ordinal: int, over: bool) -> Record:
    """The caller holds it."""
    row = await conn.fetchrow(
        """
        UPDATE redrive_runs
        SET done = done + $2, ordinal = $3, state = CASE WHEN $4 THEN 'done' ELSE 'running' END,
            finished_at = CASE WHEN $4 THEN clock_timestamp() END
        WHERE id = $1
        RETURNING id, kind, filter, rate, letters_max, dry_run, actor, matched, done, ordinal, ordinal_max,
                  state, fencing, created_at, finished_at
        """,
        run_id,
        letters,
        ordinal,
        over,
    )
    assert row is not None  # noqa: S101 the caller holds its lock
    return row


async def let_go(conn: Connection, run_id: UUID, fencing: int) -> None:
    """Free the run for whoever looks next."""
    await conn.execute(
        """
        UPDATE redrive_runs
        SET locked_until = '-infinity'
        WHERE id = $1 AND fencing = $2 AND state = 'running'
        """,
        run_id,
        fencing,
    )


async def stop(conn: Connection, run_id: UUID) -> None:
    """Whoever works on it finds out at its next step."""
    await conn.execute(
        """
        UPDATE redrive_runs
        SET state = 'stopped', finished_at = clock_timestamp()
        WHERE id = $1 AND state = 'running'
        """,
        run_id,
    )


async def count_open(conn: Connection) -> int:
    return int(await conn.fetchval("SELECT count(*) FROM redrive_runs WHERE state = 'running'"))


async def reap(conn: Connection, older_than: datetime, *, limit: int) -> int:
    """Forget at most `limit` runs that were over before `older_than`."""
    rows = await conn.fetch(
        """
        DELETE FROM redrive_runs
        WHERE id = ANY (ARRAY(
            SELECT id FROM redrive_runs WHERE state <> 'running' AND finished_at < $1 LIMIT $2
        ))
        RETURNING 1
        """,
        older_than,
        limit,
    )
    return len(rows)
