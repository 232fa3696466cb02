"""Events and webhook endpoints through the official SDK, and its verifier on what we send."""

import pytest
import stripe
from standardwebhooks import Webhook as StandardWebhook

from tests.contract.payments_sdk.receiver import Receiver
from tests.contract.payments_sdk.sdk import Sdk, is_a
from tests.support.eventually import eventually


async def test_an_endpoint_is_created_read_changed_listed_and_deleted(sdk: Sdk, receiver: Receiver) -> None:
    made = await sdk.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"], "metadata": {"team": "a"}}
    )
    assert is_a(made, stripe.WebhookEndpoint)
    assert made.id.startswith("we_")
    assert made.secret.startswith("whsec_")
    assert (made.status, made.enabled_events) == ("enabled", ["payment_intent.succeeded"])

    read = await sdk.webhook_endpoints.retrieve(made.id)
    assert "secret" not in read, "it is shown once"
    changed = await sdk.webhook_endpoints.update(
        made.id, {"enabled_events": ["*"], "disabled": True, "description": "all"}
    )
    assert (changed.status, changed.enabled_events, changed.description) == ("disabled", ["*"], "all")
    assert [one.id for one in (await sdk.webhook_endpoints.list()).data] == [made.id]

    gone = await sdk.webhook_endpoints.delete(made.id)
    assert gone.deleted is True
    with pytest.raises(stripe.InvalidRequestError):
        await sdk.webhook_endpoints.retrieve(made.id)


async def test_what_happened_is_read_as_events(sdk: Sdk) -> None:
    customer = await sdk.customers.create({"name": "one"})
    await sdk.customers.update(customer.id, {"name": "two"})

    page = await sdk.events.list()

    assert [event.type for event in page.data] == ["customer.updated", "customer.created"]
    updated, created = page.data
    assert is_a(updated, stripe.Event)
    assert updated.data.previous_attributes.to_dict() == {"name": "one"}
    assert updated.data.object.name == "two"
    assert created.data.object.name == "one"
    assert created.api_version == stripe.api_version
    assert created.request.id.startswith("req_")
    assert created.request.idempotency_key
    assert (await sdk.events.retrieve(created.id)).id == created.id
    assert [one.id for one in (await sdk.events.list({"type": "customer.created"})).data] == [created.id]


async def test_both_verifiers_accept_a_delivery_and_refuse_a_forged_one(sdk: Sdk, receiver: Receiver) -> None:
    endpoint = await sdk.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["payment_intent.succeeded"]}
    )
    intent = await sdk.payment_intents.create(
        {"amount": 100, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )

    await eventually(lambda: bool(receiver.deliveries))
    delivery = receiver.deliveries[0]
    event = sdk.client.construct_event(delivery.body, delivery.headers["stripe-signature"], endpoint.secret)
    StandardWebhook(endpoint.secret).verify(delivery.body, delivery.headers)

    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", intent.id)
    assert delivery.headers["webhook-id"] == event.id
    with pytest.raises(stripe.SignatureVerificationError):
        sdk.client.construct_event(
            delivery.body.replace(b"100", b"999"), delivery.headers["stripe-signature"], endpoint.secret
        )
    with pytest.raises(stripe.SignatureVerificationError):
        sdk.client.construct_event(delivery.body, delivery.headers["stripe-signature"], "whsec_other")


async def test_a_rotation_overlaps_and_the_log_of_deliveries_is_read(sdk: Sdk, receiver: Receiver) -> None:
    """Routes of ours alone, through the SDK's raw requests."""
    endpoint = await sdk.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["*"]})
    rotated = await sdk.raw("post", f"/v1/webhook_endpoints/{endpoint.id}/rotate_secret", expires_in=3600)
    customer = await sdk.customers.create({"name": "Jo"})

    await eventually(lambda: bool(receiver.deliveries))
    delivery = receiver.deliveries[0]
    for secret in (endpoint.secret, rotated["secret"]):
        event = sdk.client.construct_event(delivery.body, delivery.headers["stripe-signature"], secret)
        assert event.data.object.id == customer.id

    async def logged() -> list[str]:
        log = await sdk.raw("get", f"/v1/webhook_endpoints/{endpoint.id}/deliveries")
        return [one["status"] for one in log["data"]]

    assert await eventually(logged, accept=lambda seen: seen == ["delivered"])
    await sdk.raw("post", f"/v1/events/{event.id}/retry", webhook_endpoint=endpoint.id)
    await eventually(lambda: len(receiver.deliveries) == 2)
