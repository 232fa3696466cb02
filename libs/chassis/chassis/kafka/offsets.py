"""Offsets in Postgres, moved in the transaction of the effects and only from where the reader stands."""

from collections.abc import Mapping, Sequence

from chassis.postgres import Connection

NOTHING_APPLIED = -1

# Partition -> (expected, next); None where Kafka keeps the offsets.
Moves = Mapping[tuple[str, int], tuple[int, int]] | None


class Rewind(Exception):  # noqa: N818 the field's word
    """What was done since the last commit does not count: read the offsets anew and go on from there."""


class OwnershipLost(Rewind):
    """Another member moved a partition on: this batch is not ours."""


async def load(
    conn: Connection, group: str, partitions: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """The next offset of each partition, -1 where nothing was applied yet; a row exists from now on."""
    topics = [topic for topic, _ in partitions]
    numbers = [partition for _, partition in partitions]
    await conn.execute(
        """
        INSERT INTO consumer_offsets (consumer_group, topic, partition)
        SELECT $1, topic, partition
        FROM unnest($2::text[], $3::integer[]) AS mine (topic, partition)
        ORDER BY topic, partition
        ON CONFLICT DO NOTHING
        """,
        group,
        topics,
        numbers,
    )
    rows = await conn.fetch(
        """
        SELECT o.topic, o.partition, o.next_offset
        FROM consumer_offsets AS o
        JOIN unnest($2::text[], $3::integer[]) AS mine (topic, partition) USING (topic, partition)
        WHERE o.consumer_group = $1
        """,
        group,
        topics,
        numbers,
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def advance(conn: Connection, group: str, moves: Moves) -> None:
    """Comes first in its transaction: its row locks make a zombie wait, then fail."""
    if moves is None:
        return
    status = await conn.execute(
        """
        UPDATE consumer_offsets AS o
        SET next_offset = m.next_offset, updated_at = now()
        FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
            AS m (topic, partition, expected, next_offset)
        WHERE o.consumer_group = $1 AND o.topic = m.topic AND o.partition = m.partition
          AND o.next_offset = m.expected
        """,
        group,
        [topic for topic, _ in moves],
        [partition for _, partition in moves],
        [expected for expected, _ in moves.values()],
        [following for _, following in moves.values()],
    )
    if int(status.rpartition(" ")[2]) != len(moves):
        raise OwnershipLost(f"{group}: {sorted(moves)}")
