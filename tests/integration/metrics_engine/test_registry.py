"""The registry of series on a real Postgres: budgets hold, whoever asks, and what is known keeps flowing."""

import asyncio
import sys

import pytest
from chassis.postgres import DatabaseUnavailable
from metrics_ingest.domain.bounds import Bounds
from metrics_ingest.usecases.cardinality import cardinality
from metrics_ingest.usecases.judge import Judge

from infra.local.paths import ROOT
from tests.integration.metrics_engine.registries import World, series, tenant
from tests.support import remote_write


async def test_new_series_get_in_once_and_are_counted_once(world: World) -> None:
    registry = world.registry()
    assert await registry.admit(tenant(), series(50)) == {}
    assert await registry.admit(tenant(), series(80)) == {}
    assert await world.count() == (80, 80)


async def test_the_hour_has_room_for_so_many_new_series_and_the_first_get_them(world: World) -> None:
    registry = world.registry()
    wanted = series(30)
    refused = await registry.admit(tenant(new_series_per_h=20), wanted)
    assert refused == dict.fromkeys(list(wanted)[20:], "new_series_limit")
    assert await world.count() == (20, 20)


async def test_another_hour_has_room_again_and_what_was_refused_is_heard(world: World) -> None:
    registry, one = world.registry(), tenant(new_series_per_h=20)
    wanted = series(30)
    await registry.admit(one, wanted)
    assert (await registry.known(one)).refusals == 10
    await world.begin_another_hour()
    world.clock.now_s += 2
    assert (await registry.known(one)).refusals == 0
    assert await registry.admit(one, wanted) == {}


async def test_no_more_series_are_active_than_the_tenant_may_have(world: World) -> None:
    registry, one = world.registry(), tenant(active_series_max=25)
    refused = await registry.admit(one, series(30))
    assert set(refused.values()) == {"active_series_limit"}
    assert await world.count() == (25, 25)


async def test_what_another_process_registered_is_known_though_the_budget_is_spent(world: World) -> None:
    here, there, one = world.registry(), world.registry(), tenant(new_series_per_h=20)
    await here.known(one)
    await there.admit(one, series(20))
    assert await here.admit(one, series(20)) == {}
    assert len(await here.admit(one, series(10, first=100))) == 10


async def test_a_process_that_starts_knows_what_is_there(world: World) -> None:
    one = tenant()
    await world.registry().admit(one, series(300))
    registry = world.registry(registry_page=100)
    assert len(await registry.known(one)) == 300


async def test_tenants_do_not_share_budgets_or_series(world: World) -> None:
    registry = world.registry()
    await registry.admit(tenant("acme", new_series_per_h=10), series(50))
    assert await registry.admit(tenant("globex", new_series_per_h=10), series(10)) == {}
    assert (await world.count("acme"), await world.count("globex")) == ((10, 10), (10, 10))


async def test_other_limits_are_other_verdicts(world: World) -> None:
    registry = world.registry()
    wanted = series(10)
    assert len(await registry.admit(tenant(new_series_per_h=5), wanted)) == 5
    known = await registry.known(tenant(new_series_per_h=50))
    assert known.refusals == 0
    assert await registry.admit(tenant(new_series_per_h=50), wanted) == {}


async def test_idle_series_make_room_and_are_asked_about_again(world: World) -> None:
    registry, one = world.registry(), tenant(active_series_max=10)
    await registry.admit(one, series(10))
    await world.age(4000)
    await registry.expire()
    assert await world.count() == (0, 0)
    assert len(await registry.known(one)) == 0
    assert await registry.admit(one, series(10, first=50)) == {}
    assert await world.count() == (10, 10)


async def test_a_series_that_was_seen_is_not_idle(world: World) -> None:
    registry, one = world.registry(), tenant()
    await registry.admit(one, series(10))
    await world.age(4000)
    world.clock.now_s += 1000
    known = await registry.known(one)
    known.mark_all([known.slots[identity.hash] for identity in series(4).values()], int(world.clock.now_s))
    await registry.flush()
    await registry.expire()
    assert await world.count() == (4, 4)


async def test_a_series_that_another_process_took_out_is_counted_again(world: World) -> None:
    here, there, one = world.registry(), world.registry(), tenant()
    await here.admit(one, series(10))
    await world.age(4000)
    await there.expire()
    world.clock.now_s += 1000
    known = await here.known(one)
    known.mark_all(list(known.slots.values()), int(world.clock.now_s))
    await here.flush()
    assert len(known) == 0
    await here.admit(one, series(10))
    assert await world.count() == (10, 10)


async def test_memory_is_bounded_over_all_tenants(world: World) -> None:
    registry = world.registry(known_series_max=15)
    await registry.admit(tenant("acme"), series(10))
    await registry.admit(tenant("globex"), series(10))
    await registry.flush()
    assert registry.series_count == 10
    assert await registry.admit(tenant("acme"), series(10)) == {}
    assert await world.count("acme") == (10, 10)


async def test_without_postgres_known_series_flow_and_unknown_ones_have_to_wait(world: World) -> None:
    judge, one = Judge(Bounds(), world.registry(), clock=world.clock), tenant()
    now_ms = int(world.clock.now_s * 1000)

    def body(name: str) -> bytes:
        up = remote_write.series([("__name__", name)], [(now_ms, 1.0)])
        return remote_write.snap(remote_write.request([up]))

    await judge.remote_write_1(one, body("up"))
    await world.pool.close()
    assert (await judge.remote_write_1(one, body("up"))).accepted == 1
    with pytest.raises(DatabaseUnavailable):
        await judge.remote_write_1(one, body("down"))


async def test_a_name_with_a_zero_byte_in_it_is_registered(world: World) -> None:
    await world.registry().admit(tenant(), series(1, name="a\0b"))
    report = await cardinality(world.pool, tenant(), names_max=5)
    assert report.top_names == [("a\N{REPLACEMENT CHARACTER}b", 1)]


async def test_the_report_tells_names_counts_limits_and_what_is_left(world: World) -> None:
    one = tenant(new_series_per_h=40, active_series_max=100)
    registry = world.registry()
    for name, count in (("big", 20), ("mid", 9), ("low", 3)):
        await registry.admit(one, series(count, name=name))
    report = await cardinality(world.pool, one, names_max=2)
    assert report.top_names == [("big", 20), ("mid", 9)]
    assert (report.active_series, report.new_series_this_hour, report.series_left) == (32, 32, 8)


async def test_two_processes_racing_spend_one_budget(world: World) -> None:
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.metrics_engine.racer",
            world.dsn,
            str(first),
            "1800",
            "100",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for first in (0, 600)
    ]
    for racer in racers:
        assert racer.stdout is not None
        async with asyncio.timeout(30):
            assert await racer.stdout.readline() == b"ready\n"
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    admitted = [int(out) for out, _ in answers]
    assert [racer.returncode for racer in racers] == [0, 0]
    # 2,400 different ones, 1,200 of them wanted by both: as many as the tenant may have, no more, no fewer.
    assert await world.count() == (2000, 2000)
    assert max(admitted) <= 1800
    assert sum(admitted) >= 2000
