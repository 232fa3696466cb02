"""Rows of the index of dead letters, and what was done to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record
from chassis.ids import uuid7
from chassis.postgres import Connection

from orders.domain.letters import Death, Filter, Kind, Resolved, State


async def record_deaths(conn: Connection, deaths: Sequence[Death]) -> None:
    """New letters, and redriven ones that failed again; what tells of an earlier death changes nothing."""
    await conn.executemany(
        """
        WITH letter AS (
            INSERT INTO dead_letters (
                id, consumer_group, topic, partition, message_offset, key, event_type, reason, error_class,
                error, attempts, redrives, trace_id, failed_at, header_names, header_values, value,
                dlq_topic, dlq_partition, dlq_offset
            )
            VALUES (
                $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
            )
            ON CONFLICT (consumer_group, topic, partition, message_offset) DO UPDATE
            SET state = 'dead', reason = excluded.reason, error_class = excluded.error_class,
                error = excluded.error, attempts = excluded.attempts, redrives = excluded.redrives,
                failed_at = excluded.failed_at, header_names = excluded.header_names,
                header_values = excluded.header_values, value = excluded.value,
                dlq_topic = excluded.dlq_topic, dlq_partition = excluded.dlq_partition,
                dlq_offset = excluded.dlq_offset, updated_at = clock_timestamp()
            WHERE excluded.redrives > dead_letters.redrives
               OR (excluded.redrives = dead_letters.redrives AND dead_letters.state = 'redriven')
            RETURNING id, redrives
        )
        INSERT INTO dead_letter_actions (letter_id, action, redrives, actor)
        SELECT id, 'died', redrives, $2
        FROM letter
        """,
        [_row(death) for death in deaths],
    )


def _row(death: Death) -> tuple[Any, ...]:
    return (
        uuid7(),
        death.group,
        *death.origin,
        death.key,
        death.event_type,
        death.reason,
        death.error_class,
        death.error,
        death.attempts,
        death.redrives,
        death.trace_id,
        death.failed_at,
        [name for name, _ in death.headers],
        [value for _, value in death.headers],
        death.value,
        *death.place,
    )


async def record_resolved(conn: Connection, resolved: Sequence[Resolved]) -> None:
    """What tells of an earlier redrive than the letter's last changes nothing."""
    await conn.executemany(
        """
        WITH letter AS (
            UPDATE dead_letters
            SET state = 'resolved', redrives = $5, updated_at = clock_timestamp()
            WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND message_offset = $4
              AND (
                  (state = 'redriven' AND redrives = $5)
                  OR (state IN ('dead', 'redriven') AND redrives < $5)
              )
            RETURNING id, redrives
        )
        INSERT INTO dead_letter_actions (letter_id, action, redrives, actor)
        SELECT id, 'resolved', redrives, $1
        FROM letter
        """,
        [(told.group, *told.origin, told.redrives) for told in resolved],
    )


def _terms(wanted: Filter) -> tuple[Any, ...]:
    """The values of $1 to $10 in the statements that filter."""
    return (
        wanted.id,
        wanted.group,
        wanted.topic,
        wanted.partition,
        wanted.offset,
        None if wanted.key is None else wanted.key.encode(),
        wanted.event_type,
        wanted.error_class,
        wanted.since,
        wanted.until,
    )


async def page(conn: Connection, wanted: Filter, *, before: int | None, limit: int) -> list[Record]:
    """The newest first, without their messages; `before` is the last ordinal of the page before."""
    return await conn.fetch(
        """
        SELECT id, ordinal, consumer_group, topic, partition, message_offset, key, event_type, reason,
               error_class, error, attempts, redrives, trace_id, failed_at, state, updated_at
        FROM dead_letters
        WHERE ($1::uuid IS NULL OR id = $1)
          AND ($2::text IS NULL OR consumer_group = $2)
          AND ($3::text IS NULL OR topic = $3)
          AND ($4::integer IS NULL OR partition = $4)
          AND ($5::bigint IS NULL OR message_offset = $5)
          AND ($6::bytea IS NULL OR key = $6)
          AND ($7::text IS NULL OR event_type = $7)
          AND ($8::text IS NULL OR error_class = $8)
          AND ($9::timestamptz IS NULL OR failed_at >= $9)
          AND ($10::timestamptz IS NULL OR failed_at < $10)
          AND ($11::text IS NULL OR state = $11)
          AND ($12::bigint IS NULL OR ordinal < $12)
        ORDER BY ordinal DESC
        LIMIT $13
        """,
        *_terms(wanted),
        wanted.state,
        before,
        limit,
    )


async def whole(conn: Connection, letter_id: UUID) -> Record | None:
    return await conn.fetchrow(
        """
        SELECT id, ordinal, consumer_group, topic, partition, message_offset, key, event_type, reason,
               error_class, error, attempts, redrives, trace_id, failed_at, state, updated_at,
               header_names, header_values, value, dlq_topic, dlq_partition, dlq_offset
        FROM dead_letters
        WHERE id = $1
        """,
        letter_id,
    )


async def actions(conn: Connection, letter_id: UUID, *, limit: int) -> list[Record]:
    """The last `limit` of them, oldest first."""
    return await conn.fetch(
        """
        SELECT action, redrives, actor, run_id, at
        FROM (
            SELECT id, action, redrives, actor, run_id, at
            FROM dead_letter_actions
            WHERE letter_id = $1
            ORDER BY id DESC
            LIMIT $2
        ) AS latest
        ORDER BY id
        """,
        letter_id,
        limit,
    )


async def count_fitting(
    conn: Connection, wanted: Filter, *, state: State, groups: Sequence[str] | None
) -> Record:
    """`letters` in that state that fit, and the highest `ordinal` of them; of `groups` only, unless None."""
    row = await conn.fetchrow(
        """
        SELECT count(*) AS letters, coalesce(max(ordinal), 0) AS ordinal
        FROM dead_letters
        WHERE ($1::uuid IS NULL OR id = $1)
          AND ($2::text IS NULL OR consumer_group = $2)
          AND ($3::text IS NULL OR topic = $3)
          AND ($4::integer IS NULL OR partition = $4)
          AND ($5::bigint IS NULL OR message_offset = $5)
          AND ($6::bytea IS NULL OR key = $6)
          AND ($7::text IS NULL OR event_type = $7)
          AND ($8::text IS NULL OR error_class = $8)
          AND ($9::timestamptz IS NULL OR failed_at >= $9)
          AND ($10::timestamptz IS NULL OR failed_at < $10)
          AND state IN ('dead', 'redriven') AND state = $11
          AND ($12::text[] IS NULL OR consumer_group = ANY ($12))
        """,
        *_terms(wanted),
        state,
        groups,
    )
    assert row is not None  # noqa: S101 an aggregate has a row
    return row


async def lock_fitting(
    conn: Connection,
    wanted: Filter,
    *,
    state: State,
    groups: Sequence[str] | None,
    after: int,
    up_to: int,
    limit: int,
) -> list[Record]:
    """The oldest that fit, of ordinals above `after`: `id`, `ordinal`, `consumer_group`, `bytes`.

    One that another run has in hand is waited for, and passed over when it fits no more.
    """
    return await conn.fetch(
        """
        SELECT id, ordinal, consumer_group, coalesce(octet_length(value), 0) AS bytes
        FROM dead_letters
        WHERE ($1::uuid IS NULL OR id = $1)
          AND ($2::text IS NULL OR consumer_group = $2)
          AND ($3::text IS NULL OR topic = $3)
          AND ($4::integer IS NULL OR partition = $4)
          AND ($5::bigint IS NULL OR message_offset = $5)
          AND ($6::bytea IS NULL OR key = $6)
          AND ($7::text IS NULL OR event_type = $7)
          AND ($8::text IS NULL OR error_class = $8)
          AND ($9::timestamptz IS NULL OR failed_at >= $9)
          AND ($10::timestamptz IS NULL OR failed_at < $10)
          AND state IN ('dead', 'redriven') AND state = $11
          AND ($12::text[] IS NULL OR consumer_group = ANY ($12))
          AND ordinal > $13 AND ordinal <= $14
        ORDER BY ordinal
        LIMIT $15
        FOR UPDATE
        """,
        *_terms(wanted),
        state,
        groups,
        after,
        up_to,
        limit,
    )


async def messages(conn: Connection, ids: Sequence[UUID]) -> list[Record]:
    """What is needed to send them again, oldest first; `redrives` is the count so far."""
    return await conn.fetch(
        """
        SELECT consumer_group, topic, partition, message_offset, key, value, header_names, header_values,
               redrives
        FROM dead_letters
        WHERE id = ANY ($1::uuid[])
        ORDER BY ordinal
        """,
        ids,
    )


async def mark(conn: Connection, ids: Sequence[UUID], kind: Kind, *, run_id: UUID, actor: str) -> None:
    """Into the state that the kind leads to, with a line in the history of each."""
    await conn.execute(
        """
        WITH letter AS (
            UPDATE dead_letters
            SET state = $2, redrives = redrives + CASE WHEN $2 = 'redriven' THEN 1 ELSE 0 END,
                updated_at = clock_timestamp()
            WHERE id = ANY ($1::uuid[])
            RETURNING id, redrives
        )
        INSERT INTO dead_letter_actions (letter_id, action, redrives, actor, run_id)
        SELECT id, $2, redrives, $3, $4
        FROM letter
        """,
        ids,
        kind.leads_to,
        actor,
        run_id,
    )


async def count(conn: Connection) -> list[Record]:
    """`letters` by `consumer_group` and `state`."""
    return await conn.fetch(
        """
        SELECT consumer_group, state, count(*) AS letters
        FROM dead_letters
        GROUP BY consumer_group, state
        """
    )


async def reap(conn: Connection, older_than: datetime, *, limit: int) -> int:
    """Forget at most `limit` letters that were resolved or discarded before `older_than`."""
    rows = await conn.fetch(
        """
        DELETE FROM dead_letters
        WHERE id = ANY (ARRAY(
            SELECT id
            FROM dead_letters
            WHERE state IN ('resolved', 'discarded') AND updated_at < $1
            LIMIT $2
        ))
        RETURNING 1
        """,
        older_than,
        limit,
    )
    return len(rows)
