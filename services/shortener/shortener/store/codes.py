"""Blocks of the counter that generated codes are made from."""

from asyncpg import Record
from chassis.postgres import Connection


async def lease_blocks(conn: Connection, blocks: int) -> list[Record]:
    """Give the first counter and the size of each block; none is ever given twice, rollback or not."""
    return await conn.fetch(
        """
        SELECT nextval('link_codes') AS first, pg_sequence.seqincrement AS size
        FROM pg_sequence, generate_series(1, $1)
        WHERE pg_sequence.seqrelid = 'link_codes'::regclass
        """,
        blocks,
    )
