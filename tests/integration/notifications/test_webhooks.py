"""Notices by webhook: signed, guarded, each tried again alone, and none that holds up mails."""

import asyncio

import pytest
import standardwebhooks
from chassis.retry import Permanent, Transient
from chassis.telemetry import use_traceparent
from notifications.catcher.faults import FaultKind
from notifications.domain.orders import Notify

from tests.integration.notifications.stage import (
    ADDRESS,
    WEBHOOK_SECRET,
    Stage,
    order_of,
    staged,
)
from tests.integration.payments_webhooks.receiver import receiving
from tests.support.eventually import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_customer_who_cannot_be_an_address_still_gets_the_webhook(dsn: str) -> None:
    async with staged(dsn, customer_email_domain="x.example") as stage, receiving() as shop:
        with pytest.raises(Permanent, match="no mail address"):
            await stage.deliver(order_of(customer_id="a\nb", notify=Notify(None, shop.url)))
        assert await stage.states() == {"mail": "failed", "webhook": "sent"}


async def test_a_webhook_is_signed_and_carries_the_trace(stage: Stage) -> None:
    async with receiving() as shop:
        order = order_of("rejected", reason="out_of_stock", notify=Notify(ADDRESS, shop.url))
        with use_traceparent(f"00-{TRACE}-b7ad6b7169203331-00"):
            await stage.deliver(order)

        (got,) = shop.got
        told = standardwebhooks.Webhook(WEBHOOK_SECRET).verify(got.body, got.headers)
        assert got.headers["webhook-id"] == "e1"
        assert got.headers["traceparent"].split("-")[1] == TRACE
        assert (told["type"], told["data"]["id"]) == ("order.rejected", order.order_id)
        assert told["data"]["reason"] == "out_of_stock"
        assert ADDRESS not in got.body.decode()
    (mail,) = await stage.mails()
    assert mail["headers"]["x-trace-id"] == TRACE
    assert await stage.states() == {"mail": "sent", "webhook": "sent"}


async def test_a_webhook_that_fails_holds_up_no_mail_and_is_tried_again_alone(stage: Stage) -> None:
    async with receiving(status=503) as shop:
        order = order_of(notify=Notify(ADDRESS, shop.url))
        with pytest.raises(Transient, match="503"):
            await stage.deliver(order)
        assert await stage.states() == {"mail": "sent", "webhook": "sending"}

        shop.status = 200
        await stage.deliver(order)
        assert await stage.states() == {"mail": "sent", "webhook": "sent"}
        assert len(shop.got) == 2
        assert len({got.headers["webhook-id"] for got in shop.got}) == 1
    assert len(await stage.mails()) == 1


async def test_what_passes_is_tried_again_before_what_does_not_is_buried(stage: Stage) -> None:
    async with receiving(status=410) as shop:
        order = order_of(notify=Notify(ADDRESS, shop.url))
        stage.fail(FaultKind.BUSY)
        with pytest.raises(Transient):
            await stage.deliver(order)
        stage.fail(None)
        with pytest.raises(Permanent, match="410"):
            await stage.deliver(order)
        assert len(shop.got) == 1
    assert await stage.states() == {"mail": "sent", "webhook": "failed"}


async def test_a_webhook_to_an_address_of_our_own_is_never_sent(dsn: str) -> None:
    async with staged(dsn, webhook_allowed_hosts="") as stage, receiving() as shop:
        for url in (shop.url, "http://localhost/hook", "ftp://shop.example.com/"):
            with pytest.raises(Permanent, match="refused"):
                await stage.deliver(order_of(notify=Notify(ADDRESS, url)), event_id=url)
        assert shop.got == []


async def test_a_receiver_that_hangs_costs_its_timeout(dsn: str) -> None:
    async with staged(dsn, webhook_timeout_s=0.3) as stage, receiving(hang=True) as shop:
        with pytest.raises(Transient, match="timeout"):
            await stage.deliver(order_of(notify=Notify(ADDRESS, shop.url)))


async def test_without_a_secret_no_webhook_is_sent(dsn: str) -> None:
    async with staged(dsn, webhook_secret=None) as stage, receiving() as shop:
        await stage.deliver(order_of(notify=Notify(ADDRESS, shop.url)))
        assert shop.got == []
        assert await stage.states() == {"mail": "sent", "webhook": "skipped"}


async def test_receivers_that_are_silent_take_their_places_and_no_more(dsn: str) -> None:
    changed = {"webhook_calls_max": 1, "webhook_queue_timeout_s": 0.1, "webhook_timeout_s": 1.0}
    async with staged(dsn, **changed) as stage, receiving(hang=True) as shop:
        first = asyncio.create_task(stage.deliver(order_of(notify=Notify(ADDRESS, shop.url)), event_id="e1"))
        await eventually(lambda: shop.got)
        with pytest.raises(Transient, match="too many webhooks"):
            await stage.deliver(order_of(notify=Notify(ADDRESS, shop.url)), event_id="e2")
        assert len(await stage.mails()) == 2
        with pytest.raises(Transient, match="timeout"):
            await first
