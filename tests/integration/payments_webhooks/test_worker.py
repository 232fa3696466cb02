"""The worker as a deployment runs it: beside the API and the bank, with receivers and a real broker."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import standardwebhooks
import stripe
from aiokafka import AIOKafkaConsumer
from payments.events import INTENT_CHANGED, REFUND_CHANGED

from infra.kafka import topics
from tests.integration.payments_webhooks.receiver import Receiver, receiving
from tests.support.databases import Databases
from tests.support.eventually import eventually
from tests.support.payments_stack import PaymentsStack, form
from tests.support.processes import connected

TRACE = uuid.uuid4().hex
PATIENCE_S = 30


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    tmp_path_factory: pytest.TempPathFactory,
    databases: Databases,
    _redis_of_worker: str,
    kafka_bootstrap: str,
) -> AsyncIterator[PaymentsStack]:
    await topics.apply(kafka_bootstrap, topics.declared())
    payments_dsn, bank_dsn = databases.migrated("payments"), databases.migrated("bank")
    stack = PaymentsStack(
        tmp_path_factory.mktemp("workers"),
        payments_dsn=payments_dsn,
        bank_dsn=bank_dsn,
        redis_url=_redis_of_worker,
        kafka=kafka_bootstrap,
        WEBHOOK_TIMEOUT_S="2",
        WEBHOOK_LEASE_S="3",
        WEBHOOK_RETRY_FIRST_S="1",
    )
    try:
        await stack.up(apis=1, workers=1)
        yield stack
    finally:
        await stack.close()
        databases.drop(payments_dsn)
        databases.drop(bank_dsn)


@pytest_asyncio.fixture(loop_scope="module")
async def stack(started: PaymentsStack) -> PaymentsStack:
    """All of it up, whatever the test before did."""
    await started.heal()
    return started


@pytest_asyncio.fixture(loop_scope="module")
async def api(stack: PaymentsStack) -> AsyncIterator[httpx.AsyncClient]:
    """The API as a new account sees it."""
    async with stack.client(stack.apis[0], await stack.account()) as client:
        yield client


async def made(api: httpx.AsyncClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = await api.post(path, data=form(parameters))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def endpoint_of(api: httpx.AsyncClient, receiver: Receiver, *names: str) -> dict[str, Any]:
    return await made(api, "/v1/webhook_endpoints", url=receiver.url, enabled_events=names or ("*",))


async def kafka_events(bootstrap: str, account: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """(event id, data) of that account's events, in the order of their intents' partitions."""
    consumer = AIOKafkaConsumer(
        INTENT_CHANGED, REFUND_CHANGED, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    found = []
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                document = json.loads(record.value)
                if document["account"] == account:
                    found.append((dict(record.headers)["ce_id"].decode(), document))
                if len(found) == count:
                    return found
    finally:
        await consumer.stop()
    raise AssertionError("the consumer ended")


async def test_a_payment_reaches_the_receiver_and_kafka_in_the_trace_of_its_request(
    stack: PaymentsStack, api: httpx.AsyncClient, kafka_bootstrap: str
) -> None:
    async with receiving() as receiver:
        endpoint = await endpoint_of(api, receiver, "payment_intent.succeeded", "refund.created")
        api.headers["traceparent"] = f"00-{TRACE}-00f067aa0ba902b7-00"
        card = {"payment_method": "pm_card_visa", "payment_method_types": ["card"], "confirm": True}
        paid = await made(api, "/v1/payment_intents", amount=700, currency="eur", **card)
        await made(api, "/v1/refunds", payment_intent=paid["id"])
        told = (await api.get("/v1/events", params={"type": "payment_intent.*"})).json()["data"]
        await eventually(lambda: len(receiver.got) == 2, timeout_s=PATIENCE_S)

    for got in receiver.got:
        stripe.Webhook.construct_event(got.body, got.headers["stripe-signature"], endpoint["secret"])
        standardwebhooks.Webhook(endpoint["secret"]).verify(got.body, got.headers)
        assert got.headers["traceparent"].split("-")[1] == TRACE
    by_type = {got.event["type"]: got.event for got in receiver.got}
    assert by_type["payment_intent.succeeded"]["data"]["object"]["amount_received"] == 700

    async with connected(stack.payments_dsn) as conn:
        account = await conn.fetchval("SELECT account_id FROM payment_intents WHERE id = $1", paid["id"])
    relayed = await kafka_events(kafka_bootstrap, account, len(told) + 1)
    intents = [(name, data["version"]) for name, data in relayed if data["id"] == paid["id"]]
    assert [name for name, _ in intents] == [event["id"] for event in reversed(told)]
    assert [version for _, version in intents] == sorted(version for _, version in intents)
    assert by_type["refund.created"]["id"] in {name for name, _ in relayed}


async def test_what_a_killed_worker_was_sending_another_sends_again(
    stack: PaymentsStack, api: httpx.AsyncClient
) -> None:
    async with receiving(hang=True) as receiver:
        await endpoint_of(api, receiver)
        await made(api, "/v1/customers", name="Zoë")
        await eventually(lambda: len(receiver.got) == 1, timeout_s=PATIENCE_S)
        (worker,) = stack.workers
        await worker.kill()
        receiver.hang = False
        await worker.start()
        await eventually(lambda: len(receiver.got) == 2, timeout_s=PATIENCE_S)
        assert len(set(receiver.ids)) == 1


async def test_a_worker_told_to_stop_ends_what_it_is_sending_and_leaves_the_rest(
    stack: PaymentsStack, api: httpx.AsyncClient
) -> None:
    async with receiving(hang=True) as receiver:
        await endpoint_of(api, receiver)
        sent = await made(api, "/v1/customers", name="Zoë")
        await eventually(lambda: len(receiver.got) == 1, timeout_s=PATIENCE_S)
        (worker,) = stack.workers
        leaving = asyncio.create_task(worker.stop())
        receiver.release()
        assert await leaving == 0
        left = await made(api, "/v1/customers", name="Zoë")
        await worker.start()
        wanted = [sent["id"], left["id"]]
        await eventually(
            lambda: [got.event["data"]["object"]["id"] for got in receiver.got] == wanted,
            timeout_s=PATIENCE_S,
        )
