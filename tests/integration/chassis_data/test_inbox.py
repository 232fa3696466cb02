"""An event counts once, in the transaction of its effect."""

import asyncio
from datetime import UTC, datetime, timedelta

from chassis import inbox
from chassis.postgres import Pool


async def test_an_event_is_new_once_for_each_consumer(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await inbox.first_time(conn, "mail", "e1")
        assert not await inbox.first_time(conn, "mail", "e1")
        assert await inbox.first_time(conn, "stock", "e1")


async def test_of_a_batch_only_the_new_events_are_answered(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await inbox.first_time(conn, "mail", "e1")
        assert await inbox.first_times(conn, "mail", ["e1", "e2", "e3", "e2"]) == {"e2", "e3"}
        assert await inbox.first_times(conn, "mail", ["e3", "e2", "e1"]) == set()
        assert await inbox.first_times(conn, "mail", []) == set()


async def test_an_effect_rolled_back_is_applied_by_the_redelivery(pool: Pool) -> None:
    async with pool.acquire() as conn:
        effect = conn.transaction()
        await effect.start()
        assert await inbox.first_time(conn, "mail", "e1")
        await effect.rollback()
        assert await inbox.first_time(conn, "mail", "e1")


async def test_crossing_batches_of_two_members_neither_deadlock_nor_double(pool: Pool) -> None:
    ids = [f"e{n}" for n in range(500)]

    async def member(batch: list[str]) -> set[str]:
        async with pool.acquire() as conn, conn.transaction():
            return await inbox.first_times(conn, "mail", batch)

    answers = await asyncio.gather(*(member(ids if n % 2 else ids[::-1]) for n in range(8)))
    assert sum(len(answer) for answer in answers) == len(ids)


async def test_the_reaper_forgets_only_what_is_old(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await inbox.first_times(conn, "mail", ["old", "young"])
        await conn.execute("UPDATE inbox SET seen_at = now() - interval '8 days' WHERE event_id = 'old'")
        assert await inbox.reap(conn, datetime.now(UTC) - timedelta(days=7)) == 1
        assert not await inbox.first_time(conn, "mail", "young")
