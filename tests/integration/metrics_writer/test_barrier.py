"""Points count once they are on disk, exactly once, whatever happens to the store and to the writer."""

import pytest
from chassis.kafka import offsets
from chassis.parking import Place
from metrics_ingest.usecases import canary, ledger
from metrics_ingest.usecases.writing import GROUP
from metrics_ingest.victoria import StoreAway

from tests.integration.metrics_writer.scripted import NOTHING, World
from tests.support.batches import TOPIC, block, headers, message

BATCH = [
    message(0, block("a", [(1, 1.0), (2, 2.0)]), headers("demo", 2)),
    message(1, block("b", [(1, 5.0)]), headers("other", 1)),
    message(2, block("c", [(3, 3.0)]), headers("demo", 2, rejected={"too_old": 4}, dead={"nan": 1})),
]


async def test_nothing_counts_before_the_barrier_and_all_of_it_behind(world: World) -> None:
    await world.count(BATCH)
    await world.write(BATCH)
    assert await world.offset() == NOTHING
    before = await world.ledger("demo")
    assert (before.stored, before.in_flight, before.residue) == (0, 3, 0)
    await world.barrier()
    assert await world.offset() == 3
    after = await world.ledger("demo")
    assert (after.received, after.accepted, after.stored, after.in_flight) == (8, 4, 3, 0)
    assert (after.rejected, after.dead, after.residue) == ({"too_old": 4}, {"nan": 1}, 0)
    assert world.store.left == []


async def test_a_merge_is_one_request_a_tenant(world: World) -> None:
    await world.write(BATCH)
    assert world.store.requests == 2
    assert {tenant for tenant, _, _, _ in world.store.memory} == {"demo", "other"}


@pytest.mark.parametrize("when", ["before the snapshot", "while it is made"])
async def test_a_store_that_was_killed_takes_the_writer_back_to_its_offsets(world: World, when: str) -> None:
    await world.count(BATCH)
    await world.write(BATCH)
    if when == "before the snapshot":
        world.store.kill()
    world.store.killed_at_snapshot = when == "while it is made"
    with pytest.raises(offsets.Rewind):
        await world.barrier()
    world.store.killed_at_snapshot = False
    assert await world.offset() == NOTHING
    assert world.store.memory == set()
    await world.write(BATCH)
    await world.barrier()
    assert len(world.store.disk) == 4
    assert (await world.ledger("other")).stored == 1
    assert world.store.left == []


async def test_a_store_that_is_away_at_the_barrier_is_asked_again(world: World) -> None:
    await world.write(BATCH[:1])
    world.store.away_at_snapshot = True
    with pytest.raises(StoreAway):
        await world.barrier()
    world.store.away_at_snapshot = False
    await world.write(BATCH[1:], expected=1)
    await world.barrier()
    assert await world.offset() == 3
    assert len(world.store.disk) == 4


async def test_a_write_that_fails_leaves_nothing_pending(world: World) -> None:
    await world.count(BATCH)
    world.store.away = True
    with pytest.raises(StoreAway):
        await world.write(BATCH)
    world.store.away = False
    await world.barrier()
    assert await world.offset() == NOTHING
    await world.write(BATCH)
    await world.barrier()
    assert (await world.ledger("other")).stored == 1


async def test_records_that_the_store_refuses_are_found_and_buried_and_the_rest_is_stored(
    world: World,
) -> None:
    batch = [message(at, block("abcdefg"[at], [(1, 1.0)]), headers("demo", 1)) for at in range(7)]
    world.store.poisoned = b"e"
    await world.count(batch)
    await world.write(batch)
    await world.barrier()
    drawn = await world.ledger("demo")
    assert (drawn.accepted, drawn.stored, drawn.dead, drawn.residue) == (7, 6, {"store_refused": 1}, 0)
    (letter,) = await world.letters()
    assert (letter["topic"], letter["value"]) == (f"{TOPIC}.dlq", batch[4].value)
    assert world.woken == 1


async def test_what_cannot_be_decoded_is_buried_before_the_store_sees_it(world: World) -> None:
    batch = [
        message(0, b"\xff", headers("demo", 3)),
        message(1, None, headers("demo", 2)),
        message(2, block("a", [(1, 1.0)]), ()),
        message(3, block("b", [(1, 1.0)]), headers("demo", 1)),
    ]
    await world.count(batch)
    await world.write(batch)
    await world.barrier()
    drawn = await world.ledger("demo")
    assert (drawn.accepted, drawn.stored, drawn.dead, drawn.residue) == (6, 1, {"undecodable": 5}, 0)
    assert [letter["value"] for letter in await world.letters()] == [one.value for one in batch[:3]]


async def test_requests_of_which_nothing_is_to_be_stored_are_passed_over(world: World) -> None:
    batch = [
        message(0, b"", headers("demo", 0, rejected={"too_old": 9})),
        message(1, b"", headers("demo", 2, dead={"nan": 2})),
    ]
    await world.count(batch)
    await world.write(batch)
    await world.barrier()
    assert world.store.requests == 0
    assert await world.offset() == 2
    assert await world.letters() == []
    drawn = await world.ledger("demo")
    assert (drawn.rejected, drawn.dead, drawn.residue) == ({"too_old": 9}, {"nan": 2}, 0)


async def test_a_partition_that_another_writer_moved_on_takes_the_whole_barrier_back(world: World) -> None:
    await world.write(BATCH)
    await world.write([message(7, block("p", [(1, 1.0)]), headers("demo", 1), partition=1)])
    async with world.pool.acquire() as conn:
        await offsets.advance(conn, GROUP, {(TOPIC, 1): (NOTHING, 8)})
    with pytest.raises(offsets.OwnershipLost):
        await world.barrier()
    assert await world.offset(0) == NOTHING
    assert await ledger.ledger(world.pool, None) == []


async def test_a_partition_that_was_given_away_leaves_no_count_behind(world: World) -> None:
    await world.write(BATCH)
    await world.write([message(0, block("p", [(1, 1.0)]), headers("demo", 1), partition=1)])
    world.writing.forget([Place(GROUP, TOPIC, 0)])
    await world.barrier()
    assert (await world.offset(0), await world.offset(1)) == (NOTHING, 1)
    assert (await world.ledger("demo")).stored == 0  # nobody has counted it as accepted yet
    await world.count([message(0, None, headers("demo", 1), partition=1)])
    assert (await world.ledger("demo")).stored == 1


async def test_a_commit_whose_answer_was_lost_is_not_counted_twice(world: World) -> None:
    await world.write(BATCH)
    await world.barrier()
    await world.write(BATCH)  # from an offset that is no longer the row's
    with pytest.raises(offsets.OwnershipLost):
        await world.barrier()
    assert await world.offset() == 3


async def test_a_writer_that_leaves_commits_first(world: World) -> None:
    await world.write(BATCH)
    await world.writing.finish()
    assert await world.offset() == 3


async def test_a_writer_that_leaves_a_store_that_is_away_leaves_all_the_same(world: World) -> None:
    await world.write(BATCH)
    world.store.away = True
    await world.writing.finish()
    assert await world.offset() == NOTHING


async def test_a_tenant_that_never_sent_has_a_ledger_of_zeroes(world: World) -> None:
    drawn = await world.ledger("demo")
    assert (drawn.tenant, drawn.received, drawn.residue) == ("demo", 0, 0)
    assert await ledger.watch_residue(world.pool) == 0


async def test_lost_points_show_as_residue(world: World) -> None:
    await world.count(BATCH)
    await world.write(BATCH)
    await world.barrier()
    async with world.pool.acquire() as conn:
        await conn.execute("UPDATE ledger_entries SET points = points - 1 WHERE account = 'stored'")
    assert await ledger.watch_residue(world.pool) == 2


async def test_the_canarys_points_are_watched_and_not_listed(world: World) -> None:
    batch = [message(0, block("c", [(1, 1.0)]), headers(canary.TENANT, 1))]
    await world.count(batch)
    await world.write(batch)
    await world.barrier()
    async with world.pool.acquire() as conn:
        await conn.execute("UPDATE ledger_entries SET points = 0 WHERE account = 'stored'")
    assert await ledger.watch_residue(world.pool) == 1
    assert await ledger.ledger(world.pool, None) == []
