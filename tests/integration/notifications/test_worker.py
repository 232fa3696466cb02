"""The worker as a deployment runs it: real broker, real mail server, real shortener, and their failures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import standardwebhooks
from chassis import dlq
from chassis.records import Origin, Record

from infra.kafka import topics
from tests.integration.notifications.processes import TIERS, TOPIC, NoticesStack, Placed
from tests.integration.notifications.stage import WEBHOOK_SECRET
from tests.integration.payments_webhooks.receiver import receiving
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.kafka_topics import Found
from tests.support.processes import connected

PATIENCE_S = 30
GRAVE = f"{TOPIC}.dlq"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    tmp_path_factory: pytest.TempPathFactory,
    databases: Databases,
    _redis_of_worker: str,
    kafka_bootstrap: str,
) -> AsyncIterator[NoticesStack]:
    await topics.apply(kafka_bootstrap, topics.declared())
    dsns = databases.migrated("notifications"), databases.migrated("shortener")
    stack = NoticesStack(
        tmp_path_factory.mktemp("notices"),
        dsn=dsns[0],
        shortener_dsn=dsns[1],
        redis_url=_redis_of_worker,
        kafka=kafka_bootstrap,
    )
    try:
        await stack.up()
        yield stack
    finally:
        await stack.close()
        await stack.road.close()
        for dsn in dsns:
            databases.drop(dsn)


@pytest_asyncio.fixture(loop_scope="module")
async def stack(started: NoticesStack) -> NoticesStack:
    await started.heal()
    return started


async def mails_of(stack: NoticesStack, placed: Placed, count: int = 1) -> list[dict[str, Any]]:
    return await eventually(
        lambda: stack.mails(placed.address), timeout_s=PATIENCE_S, accept=lambda mails: len(mails) >= count
    )


async def letter_of(stack: NoticesStack, placed: Placed, count: int = 1) -> Found:
    """The newest of the order's dead letters."""
    letters = await eventually(
        lambda: stack.read(GRAVE, key=placed.key),
        timeout_s=PATIENCE_S,
        interval_s=0.2,
        accept=lambda letters: len(letters) >= count,
    )
    assert len(letters) == count
    return letters[-1]


async def settled(stack: NoticesStack, placed: Placed, **wanted: object) -> None:
    """Until the mail's delivery is as wanted."""

    async def probe() -> bool:
        rows = await stack.deliveries(placed.event_id)
        return bool(rows) and wanted.items() <= rows[0].items()

    await eventually(probe, timeout_s=PATIENCE_S)


async def test_an_order_is_told_by_mail_and_webhook_with_a_link_that_leads_to_it(stack: NoticesStack) -> None:
    async with receiving() as shop:
        placed = Placed(webhook_url=shop.url)
        await stack.write(placed.record())
        (mail,) = await mails_of(stack, placed)
        await eventually(lambda: shop.got, timeout_s=PATIENCE_S)
        (got,) = shop.got

    standardwebhooks.Webhook(WEBHOOK_SECRET).verify(got.body, got.headers)
    assert mail["message_id"] == placed.message_id
    assert mail["headers"]["x-trace-id"] == placed.trace_id == got.headers["traceparent"].split("-")[1]
    async with connected(stack.shortener_dsn) as conn:
        slug = await conn.fetchval(
            "SELECT slug FROM links WHERE url = $1", f"https://tracking.example.com/orders/{placed.order_id}"
        )
    assert f"/{slug}" in mail["text"]

    await settled(stack, placed, state="sent")
    assert await stack.worker.metric('notifications_sent_total{channel="mail",outcome="sent"}') >= 1
    assert await stack.worker.metric('notifications_links_total{outcome="created"}') >= 1
    assert await stack.worker.metric('notifications_send_seconds_count{channel="mail"}') >= 1


async def test_a_mail_server_that_is_down_delays_a_notice_which_is_then_sent_once_in_its_trace(
    stack: NoticesStack,
) -> None:
    placed, before = Placed(), await stack.retried("30s")
    await stack.road.close()
    await stack.write(placed.record())
    await eventually(lambda: stack.retried("30s"), timeout_s=PATIENCE_S, accept=lambda n: n > before)
    await stack.road.open()
    (mail,) = await mails_of(stack, placed)
    await settled(stack, placed, state="sent")

    assert (mail["message_id"], mail["headers"]["x-trace-id"]) == (placed.message_id, placed.trace_id)
    waited = await stack.read(*TIERS, key=placed.key)
    original = next(one for one in await stack.read(TOPIC, key=placed.key))
    assert {one.topic for one in waited} == set(TIERS[:2])
    assert {(one.value, one.header("traceparent"), one.header("ce_id")) for one in waited} == {
        (original.value, original.header("traceparent"), placed.event_id)
    }
    assert {one.header("origin-offset") for one in waited} == {str(original.offset)}
    assert len(await stack.mails(placed.address)) == 1


async def test_a_notice_that_passed_all_tiers_in_vain_is_a_dead_letter(stack: NoticesStack) -> None:
    placed = Placed("cancelled")
    await stack.fault("busy")
    await stack.write(placed.record())
    letter = await letter_of(stack, placed)

    assert (letter.header("dlq-reason"), letter.header("dlq-attempts")) == ("exhausted", "4")
    assert (letter.header("dlq-group"), letter.header("dlq-topic")) == ("notifications", TOPIC)
    assert letter.trace_id == placed.trace_id
    assert sorted(one.topic for one in await stack.read(*TIERS, key=placed.key)) == sorted(TIERS)


async def test_a_refused_notice_is_a_dead_letter_at_once_and_a_redrive_sends_it(stack: NoticesStack) -> None:
    placed = Placed("rejected")
    await stack.fault("refuse")
    await stack.write(placed.record())
    letter = await letter_of(stack, placed)
    assert (letter.header("dlq-reason"), letter.header("dlq-error-class")) == ("permanent", "Permanent")
    assert "550" in (letter.header("dlq-error") or "")
    assert await stack.read(*TIERS, key=placed.key) == []

    await stack.fault(None)
    await stack.write(redriven(letter))
    (mail,) = await mails_of(stack, placed)
    assert mail["headers"]["x-trace-id"] == placed.trace_id
    await settled(stack, placed, state="sent", attempts=2, redrives=1)
    resolved = await eventually(
        lambda: stack.read(dlq.RESOLVED_TOPIC, key=resolved_key(letter)), timeout_s=PATIENCE_S
    )
    assert resolved[0].trace_id == placed.trace_id


def redriven(letter: Found) -> Record:
    origin = Origin(
        letter.header("dlq-topic") or "",
        int(letter.header("dlq-partition") or 0),
        int(letter.header("dlq-offset") or 0),
    )
    return dlq.redrive_record(
        "notifications", origin, key=letter.key, value=letter.value, headers=letter.headers, redrives=1
    )


def resolved_key(letter: Found) -> bytes:
    place = (letter.header(f"dlq-{name}") or "" for name in ("topic", "partition", "offset"))
    return "/".join(("notifications", *place)).encode()


async def test_what_cannot_be_read_is_buried_and_holds_up_nobody(stack: NoticesStack) -> None:
    bad, unknown, good = Placed(), Placed(), Placed()
    unknown.order_id = bad.order_id  # one partition for all
    await stack.write(
        bad.record(value=b"\xff\x00"),
        unknown.record(event_type="orders.order-teleported.v1"),
        Record(TOPIC, bad.key, good.record().value, good.record().headers),
    )
    await mails_of(stack, good)

    letters = await eventually(
        lambda: stack.read(GRAVE, key=bad.key), timeout_s=PATIENCE_S, accept=lambda found: len(found) == 2
    )
    assert {letter.header("dlq-reason") for letter in letters} == {"poison"}
    assert letters[0].value == b"\xff\x00"


async def test_a_replay_of_the_topic_sends_nothing_and_changes_nothing(stack: NoticesStack) -> None:
    placed = [Placed(kind) for kind in ("completed", "rejected", "cancelled")]
    await stack.write(*(one.record() for one in placed))
    for one in placed:
        await settled(stack, one, state="sent")
    assert await stack.worker.stop() == 0
    # Dead letters of other tests were never sent: a replay does that.
    sent = "SELECT * FROM deliveries WHERE event_id = ANY($1::text[]) ORDER BY event_id, channel"
    found = await stack.fetch("SELECT event_id FROM deliveries WHERE state = 'sent'")
    known = [row["event_id"] for row in found]
    rows = await stack.fetch(sent, known)
    assert {one.event_id for one in placed} <= set(known)
    offsets = "SELECT topic, partition, next_offset FROM consumer_offsets WHERE topic = $1 ORDER BY 2"
    ends = await stack.fetch(offsets, TOPIC)
    await stack.fetch("DELETE FROM consumer_offsets")

    await stack.worker.start()
    await eventually(
        lambda: stack.fetch(offsets, TOPIC), timeout_s=PATIENCE_S, accept=lambda now: now == ends
    )
    for one in placed:
        assert len(await stack.mails(one.address)) == 1
    assert await stack.fetch(sent, known) == rows


async def test_a_crash_between_the_servers_word_and_the_record_sends_one_more_that_can_be_told(
    stack: NoticesStack,
) -> None:
    placed = Placed("cancelled")
    stack.catcher.stall()
    await stack.write(placed.record())
    await settled(stack, placed, state="sending")
    async with connected(stack.dsn) as conn, conn.transaction():
        # The record of what becomes of it has to wait for this lock.
        await conn.execute("SELECT FROM deliveries WHERE event_id = $1 FOR UPDATE", placed.event_id)
        stack.catcher.wake()
        await mails_of(stack, placed)
        await stack.worker.kill()
        # Its backend waits on and would still write: it must end before the lock does.
        await conn.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
            """
        )
    await stack.worker.start()
    mails = await mails_of(stack, placed, count=2)
    await settled(stack, placed, state="sent", attempts=2)

    assert [mail["message_id"] for mail in mails] == [placed.message_id] * 2


async def test_a_worker_that_is_told_to_stop_ends_what_it_is_sending(stack: NoticesStack) -> None:
    placed = Placed("cancelled")
    stack.catcher.stall()
    await stack.write(placed.record())
    await settled(stack, placed, state="sending")
    stopping = asyncio.create_task(stack.worker.stop())
    stack.catcher.wake()

    assert await stopping == 0
    (row,) = await stack.deliveries(placed.event_id)
    assert (row["state"], row["attempts"]) == ("sent", 1)
    assert len(await stack.mails(placed.address)) == 1
