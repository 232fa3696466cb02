"""Payment methods and setup intents through the official SDK."""

import pytest
import stripe

from tests.contract.payments_sdk.sdk import Sdk, is_a


async def test_a_card_is_made_from_a_token_attached_listed_and_detached(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})
    made = await sdk.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    assert is_a(made, stripe.PaymentMethod)
    assert (made.type, made.card.brand, made.card.last4, made.customer) == ("card", "visa", "4242", None)

    attached = await sdk.payment_methods.attach(made.id, {"customer": customer.id})
    assert (attached.id, attached.customer) == (made.id, customer.id)
    assert (await sdk.payment_methods.retrieve(made.id)).customer == customer.id

    listed = await sdk.payment_methods.list({"customer": customer.id, "type": "card"})
    assert [one.id for one in listed.data] == [made.id]
    assert [one.id for one in (await sdk.customers.payment_methods.list(customer.id)).data] == [made.id]

    detached = await sdk.payment_methods.detach(made.id)
    assert detached.customer is None
    assert (await sdk.payment_methods.list({"customer": customer.id})).data == []


async def test_each_attached_test_card_is_a_payment_method_of_its_own(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})

    one = await sdk.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    two = await sdk.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    assert len({"pm_card_visa", one.id, two.id}) == 3


async def test_a_declining_card_cannot_be_attached(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})

    with pytest.raises(stripe.CardError) as caught:
        await sdk.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})

    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")


async def test_a_setup_intent_saves_a_card_for_later(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})
    made = await sdk.setup_intents.create({"customer": customer.id, "usage": "off_session"})
    assert is_a(made, stripe.SetupIntent)
    assert made.status == "requires_payment_method"
    assert made.client_secret.startswith(f"{made.id}_secret_")

    done = await sdk.setup_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert done.status == "succeeded"
    assert (await sdk.setup_intents.retrieve(made.id)).status == "succeeded"

    saved = await sdk.payment_methods.list({"customer": customer.id})
    assert [one.id for one in saved.data] == [done.payment_method]
    intent = await sdk.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": done.payment_method,
            "off_session": True,
            "confirm": True,
        }
    )
    assert intent.status == "succeeded"


async def test_setup_intents_are_canceled_and_listed(sdk: Sdk) -> None:
    made = await sdk.setup_intents.create({})

    canceled = await sdk.setup_intents.cancel(made.id, {"cancellation_reason": "abandoned"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    assert [one.id for one in await sdk.every(await sdk.setup_intents.list())] == [made.id]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.setup_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert caught.value.code == "setup_intent_unexpected_state"


async def test_a_customers_default_card_goes_when_it_is_detached(sdk: Sdk) -> None:
    customer = await sdk.customers.create({"payment_method": "pm_card_visa"})
    card = (await sdk.payment_methods.list({"customer": customer.id})).data[0]
    changed = await sdk.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": card.id}}
    )
    assert changed.invoice_settings.default_payment_method == card.id

    await sdk.payment_methods.detach(card.id)

    assert (await sdk.customers.retrieve(customer.id)).invoice_settings.default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError):
        await sdk.payment_methods.attach(card.id, {"customer": customer.id})


async def test_what_is_only_shown_of_a_card_and_a_setup_can_be_changed(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})
    card = await sdk.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})

    changed = await sdk.payment_methods.update(card.id, {"billing_details": {"name": "Jo"}})
    setup = await sdk.setup_intents.create({"customer": customer.id})
    renamed = await sdk.setup_intents.update(setup.id, {"description": "later", "metadata": {"a": "1"}})

    assert changed.billing_details.name == "Jo"
    assert (renamed.description, renamed.metadata.to_dict()) == ("later", {"a": "1"})
