"""Deliveries: signed, at least once, logged, given up; each receiver for itself."""

import asyncio
import ipaddress
import socket
from typing import Any

import httpx
import pytest
import standardwebhooks
import stripe
from chassis.server import StopSignal
from chassis.telemetry import parse_traceparent, use_traceparent
from chassis.weburls import Address
from payments.usecases import dispatch, retention

from tests.integration.payments_webhooks.receiver import Got, receiving
from tests.integration.payments_webhooks.stage import Stage
from tests.support.eventually import eventually

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def verified_by_stripe(got: Got, secret: str) -> stripe.Event:
    event: stripe.Event = stripe.Webhook.construct_event(got.body, got.headers["stripe-signature"], secret)
    return event


def verified(got: Got, secret: str) -> stripe.Event:
    """By both official verifiers, or a failed test."""
    standardwebhooks.Webhook(secret).verify(got.body, got.headers)
    return verified_by_stripe(got, secret)


async def log_of(api: httpx.AsyncClient, endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/webhook_endpoints/{endpoint['id']}/deliveries")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def test_an_event_arrives_as_the_api_shows_it_signed_in_both_ways(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        endpoint = await stage.endpoint(api, receiver.url + "?a=b#c")
        name = await stage.event()
        assert await stage.step(dispatcher) == 1
    (got,) = receiver.got
    assert verified(got, endpoint["secret"]).id == name
    assert got.target == "/hook?a=b"
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert got.headers["webhook-id"] == name
    assert got.headers["user-agent"].startswith("Signalbox")
    shown = (await api.get(f"/v1/events/{name}")).json()
    assert got.event == {**shown, "pending_webhooks": 1}
    assert shown["pending_webhooks"] == 0
    assert await stage.step(dispatcher) == 0


async def test_endpoints_get_what_they_asked_for_and_none_of_another_account(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as every, receiving() as some, receiving() as other:
        await stage.endpoint(api, every.url)
        await stage.endpoint(api, some.url, "customer.deleted", "customer.updated")
        await stage.endpoint(stage.served.client("two"), other.url)
        made = [await stage.event(f"customer.{word}") for word in ("created", "updated")]
        await stage.step(dispatcher)
        assert (sorted(every.ids), some.ids, other.ids) == (made, made[1:], [])


async def test_an_endpoint_made_later_does_not_get_what_was_before_it(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        await stage.event()
        stage.clock.advance(60)
        async with stage.res.db.acquire() as conn:
            await conn.execute("UPDATE events SET created_at = created_at - interval '1 minute'")
        await stage.endpoint(api, receiver.url)
        assert await stage.step(dispatcher) == 0


async def test_a_failed_delivery_is_tried_again_until_it_succeeds(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=503, body=b"later \xff\x00" + b"x" * 5_000) as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        name = await stage.event()
        assert await stage.step(dispatcher) == 1
        assert await stage.step(dispatcher) == 0
        stage.clock.advance(5)
        assert await stage.step(dispatcher) == 1
        receiver.status, receiver.body = 200, b"thanks"
        stage.clock.advance(10)
        assert await stage.step(dispatcher) == 1
        stage.clock.advance(3 * 24 * 3600)
        assert await stage.step(dispatcher) == 0
    for got in receiver.got:
        assert verified(got, endpoint["secret"]).id == name
    assert len({got.body for got in receiver.got}) == 1
    (delivery,) = await log_of(api, endpoint)
    assert (delivery["status"], delivery["attempts_made"], delivery["next_attempt"]) == ("delivered", 3, None)
    assert [(one["number"], one["status"], one["error"]) for one in delivery["attempts"]] == [
        (1, 503, None), (2, 503, None), (3, 200, None)
    ]  # fmt: skip
    assert delivery["attempts"][0]["response"].startswith("later �")
    assert len(delivery["attempts"][0]["response"]) == stage.res.settings.webhook_response_chars_max
    assert delivery["attempts"][2]["response"] == "thanks"
    of_event = (await api.get(f"/v1/events/{name}/deliveries")).json()
    assert (of_event["data"], of_event["has_more"]) == ([delivery], False)


async def test_after_three_days_it_is_given_up(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=500) as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        name = await stage.event()
        attempts = 0
        for _ in range(40):
            attempts += await stage.step(dispatcher)
            if (await stage.states())[name] != "pending":
                break
            stage.clock.advance(12 * 3600)
        assert (await stage.states())[name] == "failed"
        assert attempts == len(receiver.got) == 7
        stage.clock.advance(24 * 3600)
        assert await stage.step(dispatcher) == 0
    (delivery,) = await log_of(api, endpoint)
    assert (delivery["status"], delivery["next_attempt"]) == ("failed", None)
    assert (await api.get(f"/v1/events/{name}")).json()["pending_webhooks"] == 0


async def test_a_redirect_is_a_failure_and_is_not_followed(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as elsewhere:
        async with receiving(status=307, headers={"Location": elsewhere.url}) as receiver:
            endpoint = await stage.endpoint(api, receiver.url)
            await stage.event()
            await stage.step(dispatcher)
        assert elsewhere.got == []
    (delivery,) = await log_of(api, endpoint)
    assert (delivery["status"], delivery["attempts"][0]["status"]) == ("pending", 307)


async def test_gone_disables_the_endpoint_and_what_waits_for_it_is_dropped(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=500) as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        waiting = await stage.event()
        await stage.step(dispatcher)
        receiver.status = 410
        refused = await stage.event()
        await stage.step(dispatcher)
        assert (await api.get(f"/v1/webhook_endpoints/{endpoint['id']}")).json()["status"] == "disabled"
        later = await stage.event()
        stage.clock.advance(60)
        assert await stage.step(dispatcher) == 0
        assert await stage.states() == {waiting: "dropped", refused: "failed"}
        # Enabled again it gets what happens from then on.
        await api.post(f"/v1/webhook_endpoints/{endpoint['id']}", data={"disabled": "false"})
        receiver.status = 200
        fresh = await stage.event()
        await stage.step(dispatcher)
        assert receiver.ids[-1] == fresh
        assert later not in receiver.ids


@pytest.mark.parametrize("way", ["disabled", "deleted"])
async def test_nothing_more_goes_to_an_endpoint_that_was_stopped(
    way: str, api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=500) as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        name = await stage.event()
        await stage.step(dispatcher)
        path = f"/v1/webhook_endpoints/{endpoint['id']}"
        await (api.delete(path) if way == "deleted" else api.post(path, data={"disabled": "true"}))
        await stage.event()
        stage.clock.advance(3600)
        assert await stage.step(dispatcher) == 0
        assert await stage.states() == {name: "dropped"}
        assert len(receiver.got) == 1
    if way == "deleted":
        assert (await api.get(f"{path}/deliveries")).status_code == 404


async def test_what_is_sent_goes_where_the_endpoint_is_now(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=500) as old, receiving() as new:
        endpoint = await stage.endpoint(api, old.url)
        name = await stage.event()
        await stage.step(dispatcher)
        await api.post(f"/v1/webhook_endpoints/{endpoint['id']}", data={"url": new.url})
        stage.clock.advance(5)
        await stage.step(dispatcher)
        assert (old.ids, new.ids) == ([name], [name])


async def test_while_a_rotated_secret_overlaps_both_verify(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        path = f"/v1/webhook_endpoints/{endpoint['id']}/rotate_secret"
        rotated = (await api.post(path, data={"expires_in": "3600"})).json()
        await stage.event()
        await stage.step(dispatcher)
        for secret in (endpoint["secret"], rotated["secret"]):
            verified(receiver.got[0], secret)
        stage.clock.advance(3601)
        await stage.event()
        await stage.step(dispatcher)
        verified(receiver.got[1], rotated["secret"])
        with pytest.raises(stripe.SignatureVerificationError):
            verified_by_stripe(receiver.got[1], endpoint["secret"])
        replaced = (await api.post(path)).json()
        await stage.event()
        await stage.step(dispatcher)
        verified(receiver.got[2], replaced["secret"])
        assert receiver.got[2].headers["stripe-signature"].count("v1=") == 1


async def test_an_attempt_whose_outcome_was_never_written_is_made_again(
    api: httpx.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise MemoryError

    crashing, healthy = await stage.dispatcher(), await stage.dispatcher()
    async with receiving() as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        name = await stage.event()
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "settle", crash)
            await stage.step(crashing)
        assert receiver.ids == [name]
        assert await stage.step(healthy) == 0
        stage.clock.advance(stage.res.settings.webhook_lease_s)
        assert await stage.step(healthy) == 1
        assert receiver.ids == [name, name]
    (delivery,) = await log_of(api, endpoint)
    assert (delivery["status"], delivery["attempts_made"]) == ("delivered", 2)
    assert [one["number"] for one in delivery["attempts"]] == [2]


async def test_one_that_stalled_past_its_lease_cannot_reschedule_what_another_delivered(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    stalled, other = await stage.dispatcher(), await stage.dispatcher()
    async with receiving(hang=True) as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        name = await stage.event()
        await dispatch.fan_out(stage.res)
        assert await stalled.begin_due() == 1
        await eventually(lambda: len(receiver.got) == 1)
        stage.clock.advance(stage.res.settings.webhook_lease_s)
        receiver.hang = False
        assert await stage.step(other) == 1
        assert await stage.states() == {name: "delivered"}
        receiver.close()
        await stalled.finish()
    assert await stage.states() == {name: "delivered"}
    (delivery,) = await log_of(api, endpoint)
    assert [(one["number"], one["status"], one["error"]) for one in delivery["attempts"]] == [
        (1, None, "connection_lost"), (2, 200, None)
    ]  # fmt: skip


async def test_workers_side_by_side_deliver_each_event_once(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatchers = [await stage.dispatcher() for _ in range(3)]
    async with receiving() as receiver:
        await stage.endpoint(api, receiver.url)
        made = [await stage.event() for _ in range(60)]
        while len(receiver.got) < len(made):
            await asyncio.gather(*(stage.step(dispatcher) for dispatcher in dispatchers))
        assert sorted(receiver.ids) == made
        assert receiver.most_at_once <= 3 * stage.res.settings.webhook_endpoint_inflight_max


async def test_receivers_that_hang_delay_no_other(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher(webhook_inflight_max=16)
    async with receiving(hang=True) as dead, receiving() as quick:
        await stage.endpoint(api, quick.url)
        first = await stage.event()
        await stage.step(dispatcher)
        for _ in range(12):
            await stage.endpoint(api, dead.url)
        made = [first, *[await stage.event() for _ in range(30)]]
        await dispatch.fan_out(stage.res)

        async def pump() -> tuple[int, int]:
            await dispatcher.begin_due()
            return len(quick.got), len(dead.got)

        # Nobody has answered of the others, and they have not got more than their share of places.
        await eventually(pump, timeout_s=30, accept=lambda seen: seen == (len(made), 12))
        assert sorted(quick.ids) == made
        assert dead.most_at_once == 12
        dead.close()
        await dispatcher.finish()


async def test_a_resend_goes_out_at_once_whatever_became_of_it(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver, receiving() as other:
        endpoint = await stage.endpoint(api, receiver.url)
        silent = await stage.endpoint(api, other.url, "charge.failed")
        name = await stage.event()
        await stage.step(dispatcher)
        for target in (endpoint, silent):
            answer = await api.post(f"/v1/events/{name}/retry", data={"webhook_endpoint": target["id"]})
            assert (answer.status_code, answer.json()["id"]) == (200, name)
        assert answer.json()["pending_webhooks"] == 2
        assert await stage.step(dispatcher) == 2
        assert (receiver.ids, other.ids) == ([name, name], [name])
        (delivery,) = await log_of(api, endpoint)
        assert (delivery["status"], delivery["attempts_made"]) == ("delivered", 2)
        await api.post(f"/v1/webhook_endpoints/{silent['id']}", data={"disabled": "true"})
        refused = await api.post(f"/v1/events/{name}/retry", data={"webhook_endpoint": silent["id"]})
        assert refused.status_code == 400


async def test_the_log_is_paged_newest_event_first(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        made = [await stage.event() for _ in range(5)][::-1]
        while len(receiver.got) < len(made):
            await stage.step(dispatcher)
    path = f"/v1/webhook_endpoints/{endpoint['id']}/deliveries"
    first = (await api.get(path, params={"limit": 2})).json()
    assert ([one["event"] for one in first["data"]], first["has_more"], first["url"]) == (
        made[:2],
        True,
        path,
    )
    rest = (await api.get(path, params={"starting_after": first["data"][1]["id"]})).json()
    assert ([one["event"] for one in rest["data"]], rest["has_more"]) == (made[2:], False)
    back = (await api.get(path, params={"ending_before": rest["data"][1]["id"], "limit": 2})).json()
    assert ([one["event"] for one in back["data"]], back["has_more"]) == (made[1:3], True)
    assert (await api.get(path, params={"starting_after": "nonsense"})).status_code == 400


async def test_the_attempt_belongs_to_the_trace_of_the_request(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        await stage.endpoint(api, receiver.url)
        with use_traceparent(TRACEPARENT):
            await stage.event()
        await stage.step(dispatcher)
    sent, caused = parse_traceparent(receiver.got[0].headers["traceparent"]), parse_traceparent(TRACEPARENT)
    assert sent is not None
    assert caused is not None
    assert sent.trace_id == caused.trace_id


async def test_a_name_that_resolves_to_a_private_address_is_not_dialled(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    answers = [["10.9.8.7"], ["127.0.0.9"], ["127.0.0.1"]]

    async def resolver(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address(word) for word in answers.pop(0)]

    dispatcher = await stage.dispatcher(resolver)
    async with receiving() as receiver:
        port = receiver.url.split(":")[2]
        endpoint = await stage.endpoint(api, f"http://hooks.example.com:{port}")
        name = await stage.event()
        for _ in range(2):
            await stage.step(dispatcher)
            stage.clock.advance(10)
        assert receiver.got == []
        # 127.0.0.1 is on the allow-list of the tests: now it is dialled, under the name.
        await stage.step(dispatcher)
        assert receiver.ids == [name]
        assert receiver.got[0].headers["host"] == f"hooks.example.com:{port.removesuffix('/hook')}"
    (delivery,) = await log_of(api, endpoint)
    assert [one["error"] for one in delivery["attempts"]] == ["address_refused", "address_refused", None]


async def test_every_way_not_to_answer_has_its_word(api: httpx.AsyncClient, stage: Stage) -> None:
    async def unknown(_host: str, _port: int) -> list[Address]:
        return await asyncio.get_running_loop().run_in_executor(None, _no_such_name)

    dispatcher = await stage.dispatcher(
        unknown, webhook_timeout_s=0.5, webhook_connect_timeout_s=0.4, webhook_lease_s=5.0
    )
    async with receiving(hang=True) as hanging, receiving(rude=True) as rude:
        addresses = {
            "timeout": hanging.url,
            "unreachable": "http://127.0.0.1:1/",
            "tls_failed": rude.url.replace("http:", "https:"),
            "name_not_resolved": "http://nobody.example.com/",
        }
        endpoints = {word: await stage.endpoint(api, url) for word, url in addresses.items()}
        await stage.event()
        assert await stage.step(dispatcher) == len(addresses)
    for word, endpoint in endpoints.items():
        (delivery,) = await log_of(api, endpoint)
        assert (delivery["attempts"][0]["error"], delivery["attempts"][0]["status"]) == (word, None)
        assert delivery["status"] == "pending"


async def test_tls_names_the_host_that_was_asked_for(api: httpx.AsyncClient, stage: Stage) -> None:
    async def here(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    dispatcher = await stage.dispatcher(here)
    async with receiving(rude=True) as receiver:
        port = receiver.url.split(":")[2]
        await stage.endpoint(api, f"https://hooks.example.com:{port}")
        await stage.event()
        await stage.step(dispatcher)
    # The name stands in clear in the first message of TLS.
    assert b"hooks.example.com" in receiver.raw


def _no_such_name() -> list[Address]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_old_events_go_with_their_deliveries_and_deleted_endpoints_after_them(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving() as receiver:
        endpoint = await stage.endpoint(api, receiver.url)
        await stage.event()
        await stage.step(dispatcher)
        await api.delete(f"/v1/webhook_endpoints/{endpoint['id']}")
        stage.clock.advance(stage.res.settings.events_kept_s - 60)
        kept = await stage.event()
        await retention.reap(stage.res)
        assert await stage.served.value("SELECT count(*) FROM webhook_attempts") == 1
        stage.clock.advance(120)
        await retention.reap(stage.res)
    for count in (
        "SELECT count(*) FROM webhook_attempts",
        "SELECT count(*) FROM webhook_deliveries",
        "SELECT count(*) FROM webhook_endpoints",
    ):
        assert await stage.served.value(count) == 0
    assert await stage.served.value("SELECT id FROM events") == kept


async def test_the_backlog_and_its_age_are_measured(api: httpx.AsyncClient, stage: Stage) -> None:
    dispatcher = await stage.dispatcher()
    async with receiving(status=500) as receiver:
        await stage.endpoint(api, receiver.url)
        await stage.event()
        await stage.step(dispatcher)
        stage.clock.advance(3600)
        await dispatch.report(stage.res)
        assert dispatch._PENDING._value.get() == 1
        assert 3590 < dispatch._LAG._value.get() <= 3600
        await stage.step(dispatcher)
        await dispatch.report(stage.res)
        assert dispatch._LAG._value.get() == 0


async def test_a_running_dispatcher_delivers_and_drains_when_told_to_stop(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    dispatcher, stop = await stage.dispatcher(), StopSignal()
    async with receiving(hang=True) as slow, receiving() as quick:
        await stage.endpoint(api, slow.url)
        await stage.endpoint(api, quick.url)
        running = asyncio.create_task(dispatcher.run(stop))
        made = [await stage.event() for _ in range(3)]
        await eventually(lambda: sorted(quick.ids) == made and len(slow.got) == 3)
        stop.set()
        await asyncio.wait({running}, timeout=0.2)
        assert not running.done()
        slow.close()
        await asyncio.wait_for(running, 10)
    assert await stage.served.value("SELECT count(*) FROM webhook_attempts") == 6
