"""The consumer of clicks is killed again and again while it counts: every total is exact."""

import functools
import operator
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from chassis.kafka import Ack, Producer
from chassis.settings import ChassisSettings
from shortener.domain.tallies import tally
from shortener.events import Click, clicks_recorded

from infra.kafka import topics
from tests.support.effort import effort
from tests.support.eventually import eventually
from tests.support.servers import Handle
from tests.support.shortener import Stack, environment_of

KILLS: Final = effort(5, full=20)
RECORDS: Final = effort(150, full=500)
CLICKS_A_RECORD: Final = 2_000
LINKS: Final = 300
BUCKETS: Final = 6
NOON_MS: Final = 1_795_262_400_000

# The worker is in the middle of a batch: its transaction has written, and the statement is one of counting.
IN_A_BATCH: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
      AND query ~ '(click_|link_totals|tenant_hours|inbox)'
"""


def batches() -> list[list[Click]]:
    """Different clicks for each tenth record: the totals are known, and making them takes no minute."""
    dice = random.Random(7)  # noqa: S311 the same every time
    visitors = [f"{dice.getrandbits(64):016x}" for _ in range(3_000)]

    def one(bucket: int) -> Click:
        link = dice.randrange(LINKS // BUCKETS) * BUCKETS + bucket
        bot = dice.random() < 0.1
        return Click(
            link_id=str(UUID(int=link)),
            tenant_id=f"tenant-{link % 3}",
            at=NOON_MS + dice.randrange(3 * 3_600_000),
            bot=bot,
            referrer=f"site-{dice.randrange(20)}.example",
            visitor=None if bot else dice.choice(visitors),
        )

    return [[one(n % BUCKETS) for _ in range(CLICKS_A_RECORD)] for n in range(RECORDS // 10)]


async def produce(bootstrap: str, made: list[list[Click]]) -> None:
    """Every record once, and every 25th once more, as a producer does that missed an acknowledgement."""
    producer = Producer(ChassisSettings(kafka_bootstrap=bootstrap))
    await producer.start()
    records = [clicks_recorded(n % BUCKETS, made[n % len(made)]) for n in range(RECORDS)]
    for start in range(0, RECORDS, 50):
        results = await producer.send_many(
            [*records[start : start + 50], records[start], records[start + 25]]
        )
        assert all(isinstance(result, Ack) for result in results)
    await producer.stop()


async def found(conn: Any) -> dict[str, int]:
    row = await conn.fetchrow(
        """
        SELECT (SELECT sum(clicks) FROM link_totals)::bigint AS people,
               (SELECT sum(bot_clicks) FROM link_totals)::bigint AS bots,
               (SELECT sum(unique_visitors) FROM link_totals)::bigint AS visitors,
               (SELECT sum(unique_visitors) FROM click_days)::bigint AS day_visitors,
               (SELECT sum(clicks) FROM click_hours)::bigint AS hour_people,
               (SELECT sum(bot_clicks) FROM tenant_hours)::bigint AS tenant_bots,
               (SELECT sum(clicks) FROM click_dimensions WHERE dimension = 'referrer')::bigint AS referred
        """
    )
    return dict(row)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_clicks_are_counted_exactly_by_a_consumer_that_is_killed_again_and_again(
    migrated_dsn: Callable[[str], str], redis_url: str, own_kafka: Handle, tmp_path: Path
) -> None:
    await topics.apply(own_kafka.address, topics.declared())
    made = batches()
    await produce(own_kafka.address, made)
    totals = tally(click for batch in made for click in batch)
    people = 10 * sum(count.clicks for count in totals.links.values())
    bots = 10 * sum(count.bot_clicks for count in totals.links.values())
    assert people + bots == RECORDS * CLICKS_A_RECORD

    environment = environment_of(dsn=migrated_dsn("shortener"), redis_url=redis_url, kafka=own_kafka.address)
    stack = Stack(tmp_path, environment)
    try:
        (worker,) = await stack.start("shortener.worker")
        async with stack.connected() as conn:
            in_a_batch = functools.partial(conn.fetchval, IN_A_BATCH)
            for _ in range(KILLS):
                await eventually(in_a_batch, timeout_s=60.0, interval_s=0.005)
                worker.signal(signal.SIGKILL)
                await worker.gone()
                worker.spawn()
            assert ((await found(conn))["people"] or 0) < people, "all was counted before the last kill"
            counted = functools.partial(conn.fetchval, "SELECT sum(clicks + bot_clicks) FROM link_totals")
            await eventually(counted, timeout_s=120.0, accept=functools.partial(operator.eq, people + bots))
            worker.signal(signal.SIGTERM)
            assert await worker.gone() == 0
            assert await found(conn) == {
                "people": people,
                "bots": bots,
                "visitors": len(totals.visitors),
                "day_visitors": len(totals.visitors),
                "hour_people": people,
                "tenant_bots": bots,
                "referred": people,
            }
    finally:
        await stack.close()
