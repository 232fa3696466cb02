"""Runs that redrive or discard: exact filters, an even rate, each letter once, whoever dies on the way."""

import asyncio
import os
import sys
from statistics import linear_regression
from typing import Any

import asyncpg
import pytest
from orders.domain.letters import Filter, Kind, State
from orders.problems import RunNotFound
from orders.settings import OrdersSettings
from orders.usecases import redrive, redrive_runs
from orders.usecases.redrive_runs import Overtaken
from prometheus_client import REGISTRY

from tests.support.eventually import eventually
from tests.support.letters import (
    AT,
    Desk,
    Json,
    death,
    desk_of,
    died_again,
    header,
    message_of,
    order_of,
    working,
)


async def run(desk: Desk, kind: Kind = Kind.REDRIVE, **named: Any) -> tuple[int, int]:
    """`matched` and `done` at its end."""
    over = await redrive_runs.work_to_the_end(desk, await redrive_runs.begin(desk, order_of(kind, **named)))
    assert over.is_over
    return over.matched, over.done


async def test_a_redriven_letter_goes_to_its_group_alone_as_it_was(desk: Desk) -> None:
    await desk.index(death(3, key="order-1", group="inventory"))
    assert await run(desk) == (1, 1)
    (sent,) = await desk.sent()
    original = message_of(3, key="order-1")
    assert (sent["topic"], sent["key"], sent["value"]) == (
        "inventory.retry.redrive",
        original.key,
        original.value,
    )
    headers = dict(zip(sent["header_names"], sent["header_values"], strict=True))
    assert headers == dict(original.headers) | {
        "origin-topic": b"t.v1",
        "origin-partition": b"0",
        "origin-offset": b"3",
        "dlq-redrives": b"1",
    }


async def test_each_redrive_is_counted_and_written_down(desk: Desk) -> None:
    first = death(1)
    await desk.index(first)
    await run(desk)
    await desk.index(died_again(first, 1))
    await run(desk)
    assert [header(row, "dlq-redrives") for row in await desk.sent()] == ["1", "2"]
    (letter,) = await desk.letters()
    assert await desk.history(letter.id) == [("died", 0), ("redriven", 1), ("died", 1), ("redriven", 2)]


async def test_the_oldest_go_first_and_a_keys_order_holds(desk: Desk) -> None:
    """Also when the older ones failed again later than the younger ones failed first."""
    deaths = [death(offset, key=f"k{offset % 3}") for offset in range(30)]
    await desk.index(*deaths)
    await run(desk, offset=0)
    await desk.index(died_again(deaths[0], 1))
    await run(desk)
    assert await desk.sent_offsets() == [0, *range(30)]


async def test_the_cap_takes_the_oldest_and_the_rest_stays_dead(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(10)))
    assert await run(desk, letters_max=3) == (10, 3)
    assert await desk.sent_offsets() == [0, 1, 2]
    assert [offset for offset, state in (await desk.states()).items() if state == "dead"] == list(
        range(3, 10)
    )


async def test_a_dry_run_counts_and_changes_nothing(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(10)))
    before = await desk.everything()
    async with working(desk):
        assert await run(desk, dry_run=True, offset=4) == (1, 0)
        assert await run(desk, Kind.DISCARD, dry_run=True) == (10, 0)
    assert await desk.everything() == before


async def test_a_second_run_does_nothing(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(10)))
    assert await run(desk) == (10, 10)
    before = await desk.everything()
    assert await run(desk) == (0, 0)
    assert await desk.everything() == before


FILTERS: list[tuple[Json, list[int]]] = [
    ({"group": "inventory"}, [1]),
    ({"topic": "other.v1"}, [2]),
    ({"key": "B"}, [3]),
    ({"error_class": "ValueError"}, [4]),
    ({"event_type": "t.happened.v2"}, [5]),
    ({"since": AT.replace(hour=14)}, [6, 7]),
    ({"since": AT.replace(hour=13), "until": AT.replace(hour=15)}, [6]),
    ({"offset": 0}, [0]),
    ({"partition": 0, "offset": 2, "topic": "other.v1"}, [2]),
    ({"partition": 1}, []),
    ({"group": "orders", "key": "A", "until": AT.replace(hour=13), "topic": "t.v1"}, [0, 4, 5]),
    ({"key": "b"}, []),
    ({"state": State.DEAD}, list(range(8))),
    ({"state": State.RESOLVED}, []),
    ({"state": State.REDRIVEN}, []),
]


async def test_a_filter_takes_what_fits_and_nothing_else(desk: Desk) -> None:
    typed = tuple(
        (name, b"t.happened.v2" if name == "ce_type" else value) for name, value in message_of(5).headers
    )
    await desk.index(
        death(0),
        death(1, group="inventory"),
        death(2, topic="other.v1"),
        death(3, key="B"),
        death(4, error=ValueError("no")),
        death(5, headers=typed),
        death(6, at=AT.replace(hour=14)),
        death(7, at=AT.replace(hour=15)),
    )
    for named, expected in FILTERS:
        assert [letter.origin.offset for letter in await desk.letters(**named)] == expected, named
        assert await run(desk, **named) == (len(expected), len(expected)), named
        assert sorted(await desk.sent_offsets()) == expected, named
        taken = [offset for offset, state in (await desk.states()).items() if state == "redriven"]
        assert taken == expected, named
        await desk.rows("UPDATE dead_letters SET state = 'dead', redrives = 0")
        await desk.rows("DELETE FROM outbox")


async def test_letters_of_a_group_that_takes_none_back_are_left_alone(desk: Desk) -> None:
    await desk.index(death(1, group="somebody-else"), death(2))
    assert await run(desk) == (1, 1)
    assert await run(desk, group="somebody-else") == (0, 0)
    assert await run(desk, Kind.DISCARD) == (1, 1)
    assert await desk.states() == {1: "discarded", 2: "redriven"}


async def test_only_dead_letters_are_discarded_unless_redriven_ones_are_named(desk: Desk) -> None:
    await desk.index(death(1), death(2))
    await run(desk, offset=1)
    assert await run(desk, Kind.DISCARD) == (1, 1)
    assert await desk.states() == {1: "redriven", 2: "discarded"}
    assert await run(desk, Kind.DISCARD, state=State.REDRIVEN) == (1, 1)
    assert await desk.states() == {1: "discarded", 2: "discarded"}
    assert await run(desk) == (0, 0)
    assert len(await desk.sent()) == 1


async def test_what_dies_after_a_run_began_is_not_its_business(desk: Desk) -> None:
    await desk.index(death(1), death(2))
    begun = await redrive_runs.begin(desk, order_of())
    await desk.index(death(3))
    over = await redrive_runs.work_to_the_end(desk, begun)
    assert (over.matched, over.done) == (2, 2)
    assert await desk.states() == {1: "redriven", 2: "redriven", 3: "dead"}


async def test_a_letter_that_fails_again_at_once_is_not_sent_twice_by_one_run(desk: Desk) -> None:
    deaths = [death(offset) for offset in range(20)]
    await desk.index(*deaths)
    begun = await redrive_runs.begin(desk, order_of(rate=100.0))
    task = asyncio.create_task(redrive_runs.work_to_the_end(desk, begun))
    while not task.done():
        gone = {letter.origin.offset for letter in await desk.letters(state=State.REDRIVEN)}
        await desk.index(*(died_again(deaths[offset], 1) for offset in gone))
    assert (await task).done == 20
    assert await desk.sent_offsets() == list(range(20))


async def test_several_runs_at_once_send_no_letter_twice(settings: OrdersSettings, desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(200)))
    async with desk_of(settings) as other:
        runs = await asyncio.gather(*(run(one, rate=1_000.0) for one in (desk, other, desk, other)))
    assert sum(done for _, done in runs) == 200
    assert sorted(await desk.sent_offsets()) == list(range(200))


async def test_a_run_is_shared_out_when_it_is_one_among_several(desk: Desk) -> None:
    """A slow run keeps no other from its letters."""
    await desk.index(*(death(offset, group="orders") for offset in range(5)), death(9, group="inventory"))
    slow = await redrive_runs.begin(desk, order_of(rate=0.001, group="orders"))
    quick = await redrive_runs.begin(desk, order_of(group="inventory"))
    await desk.rows("UPDATE redrive_runs SET locked_until = '-infinity'")
    async with working(desk):
        await eventually(lambda: redrive_runs.get(desk, quick.id), accept=lambda found: found.is_over)
    assert (await redrive_runs.get(desk, slow.id)).done == 0


@pytest.mark.parametrize("rate", [40.0, 200.0])
async def test_the_rate_is_kept_within_a_tenth(desk: Desk, rate: float) -> None:
    """By the database's clock; the line through all moments, so that one late letter decides nothing."""
    count = int(rate * 1.5)
    await desk.index(*(death(offset) for offset in range(count)))
    await run(desk, rate=rate)
    rows = await desk.rows("SELECT at FROM dead_letter_actions WHERE action = 'redriven' ORDER BY at")
    moments = [row["at"].timestamp() for row in rows]
    assert linear_regression(moments, range(count)).slope == pytest.approx(rate, rel=0.1)


async def test_a_run_goes_on_in_a_worker_when_its_owner_is_killed(
    settings: OrdersSettings, desk: Desk
) -> None:
    await desk.index(*(death(offset) for offset in range(40)))
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDRIVE_LEASE_S": "1",
        "REDRIVE_GROUPS": settings.redrive_groups,
    }
    command = (sys.executable, "-m", "orders.deadletters", "redrive", "--rate", "20")
    process = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        await eventually(desk.sent_offsets, timeout_s=60, accept=lambda sent: len(sent) >= 3)
    finally:
        process.kill()
        await process.wait()
    left = len(await desk.sent_offsets())
    assert 0 < left < 40
    (row,) = await desk.rows("SELECT id, done, state FROM redrive_runs")
    assert (row["done"], row["state"]) == (left, "running")
    async with working(desk, desk):
        over = await eventually(
            lambda: redrive_runs.get(desk, row["id"]), timeout_s=30, accept=lambda found: found.is_over
        )
    assert (over.matched, over.done, over.fencing) == (40, 40, 2)
    assert await desk.sent_offsets() == list(range(40))


async def test_an_owner_that_stalls_past_its_lease_writes_no_more(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(10)))
    stalled = await redrive_runs.begin(desk, order_of())
    await desk.rows("UPDATE redrive_runs SET locked_until = '-infinity'")
    async with working(desk):
        await eventually(lambda: redrive_runs.get(desk, stalled.id), accept=lambda found: found.is_over)
    before = await desk.everything()
    with pytest.raises(Overtaken):
        await redrive_runs._step(desk, stalled, 5)
    assert await desk.everything() == before


async def test_an_answer_that_comes_too_early_leaves_the_rest_to_a_worker(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(30)))
    early = await redrive_runs.begin_and_wait(desk, order_of(rate=30.0), wait_s=0.3)
    assert early.state == "running"
    assert 0 < early.done < 30
    async with working(desk):
        over = await eventually(
            lambda: redrive_runs.get(desk, early.id), timeout_s=20, accept=lambda found: found.is_over
        )
    assert over.done == 30
    assert await desk.sent_offsets() == list(range(30))


async def test_a_run_survives_its_connections(desk: Desk) -> None:
    """Cut at any moment, also between a commit and its answer: each letter is sent once."""
    await desk.index(*(death(offset) for offset in range(150)))
    begun = await redrive_runs.begin(desk, order_of(rate=100.0))
    task = asyncio.create_task(redrive_runs.work_to_the_end(desk, begun))
    knife = await asyncpg.connect(desk.settings.database_url)
    try:
        for _ in range(5):
            await knife.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """
            )
            await asyncio.wait([task], timeout=0.25)
    finally:
        await knife.close()
    over = await task
    assert (over.matched, over.done) == (150, 150)
    assert await desk.sent_offsets() == list(range(150))


async def test_a_transaction_holds_no_more_bytes_than_it_may(settings: OrdersSettings) -> None:
    async with desk_of(settings.model_copy(update={"redrive_batch_bytes_max": 1_500})) as desk:
        await desk.index(*(death(offset, value=b"x" * 1_000) for offset in range(6)), death(6, value=None))
        assert await run(desk) == (7, 7)
        assert await desk.sent_offsets() == list(range(7))
        rows = await desk.rows("SELECT count(*) AS letters FROM outbox GROUP BY created_at")
    assert sorted(row["letters"] for row in rows) == [1, 1, 1, 1, 1, 2]


async def test_the_worker_tells_how_many_letters_there_are(desk: Desk) -> None:
    await desk.index(*(death(offset, group="inventory") for offset in range(5)))
    await desk.index(death(9, group="who-knows"), death(9, group="nor-this"))
    before = sample("redrives_total", group="inventory", outcome="redriven")
    await run(desk, letters_max=2)
    await run(desk, Kind.DISCARD, letters_max=1, group="inventory")
    assert sample("redrives_total", group="inventory", outcome="redriven") == before + 2
    expected = {"dead": 2.0, "redriven": 2.0, "discarded": 1.0, "resolved": 0.0}
    async with working(desk):
        await eventually(
            lambda: {state: sample("dead_letters", group="inventory", state=state) for state in expected},
            accept=lambda found: found == expected,
        )
        assert sample("dead_letters", group="orders", state="dead") == 0
        assert sample("dead_letters", group="other", state="dead") == 2


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_run_that_is_stopped_does_no_more(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(30)))
    begun = await redrive_runs.begin(desk, order_of(rate=20.0))
    task = asyncio.create_task(redrive_runs.work_to_the_end(desk, begun))
    await eventually(desk.sent_offsets)
    stopped = await redrive_runs.stop(desk, begun.id)
    assert (await task).state == "stopped"
    async with working(desk):
        assert len(await desk.sent()) == stopped.done < 30
    assert (await redrive_runs.stop(desk, begun.id)).done == stopped.done


async def test_a_run_that_nobody_began_is_not_there(desk: Desk) -> None:
    (row,) = await desk.rows("SELECT gen_random_uuid() AS id")
    with pytest.raises(RunNotFound):
        await redrive_runs.stop(desk, row["id"])


async def test_what_the_filter_said_is_kept_with_the_run(desk: Desk) -> None:
    await desk.index(death(1))
    (letter,) = await desk.letters()
    wanted: Json = {
        "id": letter.id,
        "group": "orders",
        "since": AT,
        "state": State.DEAD,
        "offset": 1,
        "key": "A",
    }
    begun = await redrive_runs.begin(desk, order_of(**wanted))
    assert (await redrive_runs.get(desk, begun.id)).order.filter == Filter(**wanted)
    assert begun.matched == 1


async def test_what_was_settled_long_ago_is_forgotten_and_nothing_else(desk: Desk) -> None:
    await desk.index(*(death(offset) for offset in range(4)))
    await run(desk, Kind.DISCARD, offset=0)
    await run(desk, offset=1)
    await run(desk, Kind.DISCARD, offset=2)
    await desk.rows(
        "UPDATE dead_letters SET updated_at = now() - interval '31 days' WHERE message_offset < 2"
    )
    await redrive.reap(desk)
    assert await desk.states() == {1: "redriven", 2: "discarded", 3: "dead"}
    assert len(await desk.rows("SELECT id FROM redrive_runs")) == 3
    await desk.rows("UPDATE redrive_runs SET created_at = now(), finished_at = now() - interval '31 days'")
    await redrive.reap(desk)
    assert await desk.rows("SELECT id FROM redrive_runs") == []
