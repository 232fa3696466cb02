"""Statements of how far the writer's durable effects reach."""

from collections.abc import Sequence

from asyncpg import Record
from chassis.postgres import Connection


async def written(conn: Connection, group: str, topic: str, partitions: Sequence[int]) -> list[Record]:
    """Rows of `partition` and `next_offset`: everything before it is stored, or accounted for as dead."""
    return await conn.fetch(
        """
        SELECT partition, next_offset FROM consumer_offsets
        WHERE consumer_group = $1 AND topic = $2 AND partition = ANY ($3::integer[])
        """,
        group,
        topic,
        partitions,
    )
