"""The outbox's statements."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from chassis.outbox.leases import Lease
from chassis.postgres import Connection

PENDING_COUNT_MAX = 1_000_000


async def fetch(
    conn: Connection, shards: Sequence[int], *, per_shard: int, bytes_max: int
) -> list[asyncpg.Record]:
    """The oldest rows of the shards in order of id, the last one being the first to pass `bytes_max`."""
    return await conn.fetch(
        """
        SELECT id, shard, topic, key, value, header_names, header_values
        FROM (
            SELECT o.id, o.shard, o.topic, o.key, o.value, o.header_names, o.header_values,
                   sum(coalesce(octet_length(o.value), 0)) OVER (ORDER BY o.id)
                       - coalesce(octet_length(o.value), 0) AS bytes_before
            FROM unnest($1::smallint[]) AS mine (shard)
            CROSS JOIN LATERAL (
                SELECT id, shard, topic, key, value, header_names, header_values
                FROM outbox
                WHERE outbox.shard = mine.shard
                ORDER BY id
                LIMIT $2
            ) AS o
        ) AS batch
        WHERE bytes_before <= $3
        ORDER BY id
        """,
        shards,
        per_shard,
        bytes_max,
    )


async def delete(conn: Connection, owner: str, leases: Mapping[int, Lease], ids: Sequence[int]) -> int:
    """Delete what was acknowledged, of the shards that are still this owner's; the answer counts the rows."""
    status = await conn.execute(
        """
        DELETE FROM outbox
        WHERE id = ANY ($1::bigint[]) AND shard IN (
            SELECT l.shard
            FROM outbox_leases AS l
            JOIN unnest($3::smallint[], $4::bigint[]) AS mine (shard, token)
              ON mine.shard = l.shard AND mine.token = l.token
            WHERE l.owner = $2 AND l.expires_at > clock_timestamp()
        )
        """,
        ids,
        owner,
        list(leases),
        [lease.token for lease in leases.values()],
    )
    return int(status.rpartition(" ")[2])


async def set_aside(conn: Connection, row_id: int, error: str) -> None:
    await conn.execute(
        """
        WITH refused AS (
            DELETE FROM outbox
            WHERE id = $1
            RETURNING id, topic, key, value, header_names, header_values, created_at
        )
        INSERT INTO outbox_refused (id, topic, key, value, header_names, header_values, created_at, error)
        SELECT id, topic, key, value, header_names, header_values, created_at, $2
        FROM refused
        """,
        row_id,
        error,
    )


async def backlog(conn: Connection, shards: Sequence[int]) -> Any:
    """`pending` rows of the shards (counted up to a million) and the age of the oldest in seconds."""
    return await conn.fetchrow(
        """
        SELECT count(*) AS pending,
               coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age_s
        FROM (SELECT created_at FROM outbox WHERE shard = ANY ($1::smallint[]) LIMIT $2) AS mine
        """,
        shards,
        PENDING_COUNT_MAX,
    )
