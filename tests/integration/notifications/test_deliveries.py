"""A notice is sent once; what fails is told for what it is; what is unknown is sent again and can be told."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiosmtplib
import pytest
from chassis.postgres import DatabaseUnavailable
from chassis.retry import Permanent, Transient
from notifications.catcher.faults import FaultKind
from notifications.domain.orders import Notify
from notifications.store import deliveries as store
from notifications.usecases.retention import reap

from tests.integration.notifications.stage import (
    SHORT_URL,
    Stage,
    order_of,
    staged,
)
from tests.support.eventually import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_completed_order_is_told_with_a_short_tracking_link(stage: Stage) -> None:
    order = order_of()
    await stage.deliver(order)

    (mail,) = await stage.mails()
    assert mail["subject"] == f"Your order {order.order_id} is confirmed"
    assert mail["from"] == "shop@example.com"
    assert mail["headers"]["from"] == "The Shop <shop@example.com>"
    assert mail["message_id"] == "<e1@example.com>"
    assert mail["headers"]["auto-submitted"] == "auto-generated"
    assert f"Where it is: {SHORT_URL}" in mail["text"]
    assert f'href="{SHORT_URL}"' in mail["html"]
    (asked,) = stage.shortener.got
    assert asked.event["url"] == f"https://tracking.example.com/orders/{order.order_id}"
    assert asked.headers["authorization"] == "Bearer sb_test_of_the_notices"


@pytest.mark.parametrize("status", ["rejected", "cancelled"])
async def test_an_order_that_came_to_nothing_has_no_tracking_link(stage: Stage, status: str) -> None:
    await stage.deliver(order_of(status))

    (mail,) = await stage.mails()
    assert "You pay nothing" in mail["text"]
    assert stage.shortener.got == []


async def test_an_event_that_comes_again_sends_nothing_and_changes_nothing(stage: Stage) -> None:
    order = order_of()
    await stage.deliver(order)
    before = await stage.rows()
    await asyncio.gather(*(stage.deliver(order) for _ in range(5)), stage.deliver(order, redrives=1))

    assert len(await stage.mails()) == 1
    assert len(stage.shortener.got) == 1
    assert await stage.rows() == before


async def test_of_many_at_once_one_sends(stage: Stage) -> None:
    order = order_of()
    await asyncio.gather(*(stage.deliver(order) for _ in range(5)))

    assert len(await stage.mails()) == 1
    (row,) = await stage.rows()
    assert (row["state"], row["attempts"], row["has_time"]) == ("sent", 1, True)


async def test_a_busy_server_is_transient_and_the_link_is_made_once(stage: Stage) -> None:
    order = order_of()
    stage.fail(FaultKind.BUSY)
    for _ in range(2):
        with pytest.raises(Transient, match="451"):
            await stage.deliver(order)
    (row,) = await stage.rows()
    assert (row["state"], row["short_url"], row["has_time"]) == ("sending", SHORT_URL, False)

    stage.fail(None)
    await stage.deliver(order)

    assert len(await stage.mails()) == 1
    assert len(stage.shortener.got) == 1
    (row,) = await stage.rows()
    assert (row["state"], row["attempts"], row["error"]) == ("sent", 3, None)


async def test_a_refusal_stands_until_a_redrive(stage: Stage) -> None:
    order = order_of()
    stage.fail(FaultKind.REFUSE)
    with pytest.raises(Permanent, match="550"):
        await stage.deliver(order)
    stage.fail(None)

    with pytest.raises(Permanent, match="refused before"):
        await stage.deliver(order)
    assert await stage.mails() == []

    await stage.deliver(order, redrives=1)
    assert len(await stage.mails()) == 1
    (row,) = await stage.rows()
    assert (row["state"], row["attempts"], row["redrives"]) == ("sent", 2, 1)


async def test_a_server_that_is_silent_is_transient(dsn: str) -> None:
    async with staged(dsn, smtp_timeout_s=0.3) as stage:
        stage.fail(FaultKind.HANG)
        with pytest.raises(Transient, match="Timeout"):
            await stage.deliver(order_of())
        assert await stage.mails() == []


async def test_a_server_that_is_away_is_transient(dsn: str) -> None:
    async with staged(dsn, smtp_port=1) as stage:
        with pytest.raises(Transient):
            await stage.deliver(order_of())


async def test_a_lost_reply_sends_one_more_with_the_same_message_id(stage: Stage) -> None:
    order = order_of()
    stage.fail(FaultKind.REPLY_LOST)
    with pytest.raises(Transient):
        await stage.deliver(order)
    stage.fail(None)
    for _ in range(3):
        await stage.deliver(order)

    mails = await stage.mails()
    assert [mail["message_id"] for mail in mails] == ["<e1@example.com>"] * 2


async def test_a_connection_that_died_idle_is_replaced_without_a_failure(stage: Stage) -> None:
    await stage.deliver(order_of(), event_id="e1")
    stage.fail(FaultKind.REPLY_LOST)
    with pytest.raises(Transient):
        await stage.deliver(order_of(), event_id="e2")
    stage.fail(None)
    await stage.deliver(order_of(), event_id="e3")
    assert len(await stage.mails()) == 3


async def test_a_connection_that_died_without_a_word_is_found_by_asking(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise aiosmtplib.SMTPServerDisconnected("gone")

    async with staged(dsn, smtp_idle_trusted_s=0) as stage:
        await stage.deliver(order_of(), event_id="e1")
        ((_, client),) = stage.res.mailer._idle
        monkeypatch.setattr(client, "rset", gone)
        await stage.deliver(order_of(), event_id="e2")

        assert len(await stage.mails()) == 2
        ((_, other),) = stage.res.mailer._idle
        assert other is not client


async def test_connections_are_kept_and_limited(dsn: str) -> None:
    async with staged(dsn, smtp_connections_max=2) as stage:
        await asyncio.gather(*(stage.deliver(order_of(), event_id=f"e{n}") for n in range(12)))
        assert len(await stage.mails()) == 12
        assert 1 <= len(stage.res.mailer._idle) <= 2


async def test_many_failures_open_the_breaker_and_cost_no_more_time(dsn: str) -> None:
    async with staged(dsn, breaker_calls_min=3, breaker_open_s=60, breaker_open_max_s=60) as stage:
        stage.fail(FaultKind.BUSY)
        for number in range(3):
            with pytest.raises(Transient, match="451"):
                await stage.deliver(order_of("cancelled"), event_id=f"e{number}")
        with pytest.raises(Transient, match="breaker smtp is open"):
            await stage.deliver(order_of("cancelled"), event_id="e4")


async def test_a_shortener_that_is_away_is_transient_and_no_mail_goes_out(stage: Stage) -> None:
    order = order_of()
    stage.shortener.status = 503
    with pytest.raises(Transient, match="503"):
        await stage.deliver(order)
    assert await stage.mails() == []

    stage.shortener.status = 201
    await stage.deliver(order)
    assert len(await stage.mails()) == 1
    keys = {got.headers["idempotency-key"] for got in stage.shortener.got}
    assert keys == {f"tracking:{order.order_id}"}


async def test_a_shortener_that_refuses_is_permanent(stage: Stage) -> None:
    stage.shortener.status = 401
    with pytest.raises(Permanent, match="401"):
        await stage.deliver(order_of())


async def test_without_a_key_of_the_shortener_the_link_is_long(dsn: str) -> None:
    async with staged(dsn, shortener_api_key=None) as stage:
        order = order_of()
        await stage.deliver(order)
        (mail,) = await stage.mails()
        assert f"https://tracking.example.com/orders/{order.order_id}" in mail["text"]


async def test_nobody_to_mail_is_noted_once(stage: Stage) -> None:
    order = order_of(notify=None)
    await stage.deliver(order)
    await stage.deliver(order)

    (row,) = await stage.rows()
    assert (row["state"], row["attempts"], row["target"]) == ("skipped", 0, None)


async def test_an_address_that_is_none_is_permanent(stage: Stage) -> None:
    with pytest.raises(Permanent, match="no mail address"):
        await stage.deliver(order_of(notify=Notify("not an address")))
    assert await stage.states() == {"mail": "failed"}


async def test_an_address_beyond_ascii_is_reached_when_the_server_takes_it(stage: Stage) -> None:
    await stage.deliver(order_of(notify=Notify("jürgen@example.com")))

    (mail,) = await stage.mails("jürgen@example.com")
    assert mail["headers"]["to"] == "jürgen@example.com"


async def test_a_database_that_is_away_for_a_moment_costs_no_second_mail(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def settle(*arguments: Any) -> bool:
        calls.append(arguments)
        if len(calls) < 3:
            raise DatabaseUnavailable
        return await store.settle(*arguments)

    monkeypatch.setattr(
        "notifications.usecases.deliveries.deliveries", SimpleNamespace(**vars(store) | {"settle": settle})
    )
    await stage.deliver(order_of())
    await stage.deliver(order_of())

    assert len(calls) == 3
    assert len(await stage.mails()) == 1
    assert await stage.states() == {"mail": "sent"}


async def test_what_a_dead_worker_held_is_taken_over_when_its_lease_ends(stage: Stage) -> None:
    order = order_of()
    await stage.deliver(order)
    await stage.execute(
        """
        UPDATE deliveries
        SET state = 'sending', sent_at = NULL, leased_until = clock_timestamp() + interval '0.3 s'
        """
    )
    await stage.deliver(order)

    assert [mail["message_id"] for mail in await stage.mails()] == ["<e1@example.com>"] * 2
    (row,) = await stage.rows()
    assert (row["state"], row["attempts"]) == ("sent", 2)


async def test_one_that_was_overtaken_records_nothing(dsn: str) -> None:
    async with staged(dsn, smtp_timeout_s=0.5) as stage:
        stage.fail(FaultKind.HANG)
        overtaken = asyncio.create_task(stage.deliver(order_of()))
        await eventually(stage.rows)
        await stage.execute("UPDATE deliveries SET attempts = 7, state = 'sent', sent_at = clock_timestamp()")
        with pytest.raises(Transient):
            await overtaken

        (row,) = await stage.rows()
        assert (row["state"], row["attempts"], row["error"]) == ("sent", 7, None)


async def test_what_is_old_is_forgotten_in_batches(dsn: str) -> None:
    async with staged(dsn, reap_batch_max=2) as stage:
        for number in range(5):
            await stage.deliver(order_of(), event_id=f"e{number}")
        await stage.execute(
            """
            UPDATE deliveries SET created_at = clock_timestamp() - interval '40 days' WHERE event_id <> 'e4'
            """
        )
        assert await reap(stage.res) == 4
        assert [row["event_id"] for row in await stage.rows()] == ["e4"]
