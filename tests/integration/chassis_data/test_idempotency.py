"""One effect a key, whatever races, crashes or stalls."""

import asyncio
import collections
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from chassis import idempotency
from chassis.idempotency import Claimed, Fenced, InFlight, Mismatch, Outcome, Replay, fingerprint
from chassis.postgres import Pool

PRINT = fingerprint({"amount": 100})


async def try_claim(pool: Pool, key: str, digest: bytes = PRINT, **form_b: object) -> Outcome:
    async with pool.acquire() as conn, conn.transaction():
        return await idempotency.claim(conn, "tenant:create", key, digest, **form_b)  # type: ignore[arg-type]


async def complete(pool: Pool, key: str) -> None:
    async with pool.acquire() as conn, conn.transaction():
        claimed = await idempotency.claim(conn, "tenant:create", key, PRINT)
        assert isinstance(claimed, Claimed)
        await idempotency.finish(conn, claimed, 201, {"location": "/1"}, b'{"id":1}')


async def test_a_finished_key_replays_its_answer_for_ever(pool: Pool) -> None:
    await complete(pool, "k")
    for _ in range(3):
        assert await try_claim(pool, "k") == Replay(201, {"location": "/1"}, b'{"id":1}')


async def test_other_parameters_under_a_known_key_are_a_mismatch(pool: Pool) -> None:
    await complete(pool, "k")
    assert await try_claim(pool, "k", fingerprint({"amount": 101})) == Mismatch()


async def test_the_same_key_of_another_scope_is_another_key(pool: Pool) -> None:
    await complete(pool, "k")
    async with pool.acquire() as conn, conn.transaction():
        assert isinstance(await idempotency.claim(conn, "other:create", "k", PRINT), Claimed)


async def test_a_second_request_learns_at_once_that_the_first_is_in_flight(pool: Pool) -> None:
    async with pool.acquire() as first, first.transaction():
        assert isinstance(await idempotency.claim(first, "tenant:create", "k", PRINT), Claimed)
        async with asyncio.timeout(2):
            assert await try_claim(pool, "k") == InFlight()
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM idempotency_keys") == 1


async def test_a_rolled_back_effect_leaves_the_key_free(pool: Pool) -> None:
    async with pool.acquire() as conn:
        effect = conn.transaction()
        await effect.start()
        assert isinstance(await idempotency.claim(conn, "tenant:create", "k", PRINT), Claimed)
        await effect.rollback()
    assert isinstance(await try_claim(pool, "k"), Claimed)


async def test_two_thousand_concurrent_claims_of_one_key_have_one_effect(
    pools: Callable[[], Awaitable[Pool]],
) -> None:
    processes = [await pools() for _ in range(4)]
    await processes[0].execute("CREATE TABLE effects (key text)")
    outcomes: collections.Counter[str] = collections.Counter()

    async def request(pool: Pool) -> None:
        async with pool.acquire() as conn, conn.transaction():
            outcome = await idempotency.claim(conn, "tenant:create", "one", PRINT)
            if isinstance(outcome, Claimed):
                await conn.execute("INSERT INTO effects VALUES ('one')")
                await idempotency.finish(conn, outcome, 201, {}, b"once")
        outcomes[type(outcome).__name__] += 1
        if isinstance(outcome, Replay):
            assert outcome.body == b"once"

    await asyncio.gather(*(request(processes[n % 4]) for n in range(2000)))
    assert await processes[0].fetchval("SELECT count(*) FROM effects") == 1
    assert outcomes["Claimed"] == 1
    assert set(outcomes) <= {"Claimed", "InFlight", "Replay"}
    assert outcomes["Replay"] > 0


async def test_concurrent_claims_of_many_keys_each_have_one_effect(
    pools: Callable[[], Awaitable[Pool]],
) -> None:
    processes = [await pools() for _ in range(3)]
    claimed: collections.Counter[str] = collections.Counter()

    async def request(pool: Pool, key: str) -> None:
        async with pool.acquire() as conn, conn.transaction():
            outcome = await idempotency.claim(conn, "tenant:create", key, PRINT)
            if isinstance(outcome, Claimed):
                claimed[key] += 1
                await idempotency.finish(conn, outcome, 201, {}, b"")

    await asyncio.gather(*(request(processes[n % 3], f"k{n % 50}") for n in range(1000)))
    assert dict(claimed) == {f"k{n}": 1 for n in range(50)}


async def test_a_dead_owner_is_taken_over_at_its_recovery_point(pool: Pool) -> None:
    first = await try_claim(pool, "k", owner="a", lease_s=30)
    assert isinstance(first, Claimed)
    async with pool.acquire() as conn:
        await idempotency.advance(conn, first, "charged", {"intent": 7}, lease_s=0)
        left = await idempotency.abandoned(conn)
    assert [(one.key, one.recovery_point, one.recovery_data) for one in left] == [
        ("k", "charged", {"intent": 7})
    ]
    second = await try_claim(pool, "k", owner="b", lease_s=30)
    assert second == Claimed("tenant:create", "k", first.fencing + 1, "charged", {"intent": 7})
    assert await try_claim(pool, "k", owner="c", lease_s=30) == InFlight()


async def test_a_stalled_owner_that_wakes_is_fenced_off(pool: Pool) -> None:
    stalled = await try_claim(pool, "k", owner="a", lease_s=0)
    successor = await try_claim(pool, "k", owner="b", lease_s=30)
    assert isinstance(stalled, Claimed)
    assert isinstance(successor, Claimed)
    async with pool.acquire() as conn:
        with pytest.raises(Fenced):
            await idempotency.advance(conn, stalled, "charged", lease_s=30)
        with pytest.raises(Fenced):
            await idempotency.finish(conn, stalled, 200, {}, b"late")
        await idempotency.release(conn, stalled)
        await idempotency.finish(conn, successor, 200, {}, b"right")
    assert await try_claim(pool, "k") == Replay(200, {}, b"right")


async def test_a_hundred_racers_for_an_abandoned_key_have_one_winner(pool: Pool) -> None:
    await try_claim(pool, "k", owner="dead", lease_s=0)
    outcomes = await asyncio.gather(*(try_claim(pool, "k", owner=f"o{n}", lease_s=30) for n in range(100)))
    assert sum(isinstance(outcome, Claimed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InFlight) for outcome in outcomes) == 99


async def test_a_released_key_may_try_again_with_other_parameters(pool: Pool) -> None:
    claimed = await try_claim(pool, "k", owner="a", lease_s=30)
    assert isinstance(claimed, Claimed)
    async with pool.acquire() as conn:
        await idempotency.release(conn, claimed)
    assert isinstance(await try_claim(pool, "k", fingerprint("other"), owner="a", lease_s=30), Claimed)


async def test_the_reaper_takes_old_finished_keys_and_no_others(pool: Pool) -> None:
    now = datetime.now(UTC)
    async with pool.acquire() as conn, conn.transaction():
        for key, age_h, finished in (("old", 30, True), ("young", 1, True), ("stuck", 30, False)):
            at = now - timedelta(hours=age_h)
            claimed = await idempotency.claim(conn, "s", key, PRINT, owner="a", lease_s=0, now=at)
            assert isinstance(claimed, Claimed)
            if finished:
                await idempotency.finish(conn, claimed, 200, {}, b"")
    async with pool.acquire() as conn:
        assert await idempotency.reap(conn, now - timedelta(hours=24)) == 1
        rows = await conn.fetch("SELECT key FROM idempotency_keys ORDER BY key")
    assert [row["key"] for row in rows] == ["stuck", "young"]
