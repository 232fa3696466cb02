"""Payment intents through the official SDK: every method, every state, every way to fail."""

from typing import Any

import pytest
import stripe

from tests.contract.payments_sdk.sdk import Sdk, is_a

DRAFT = {"amount": 1099, "currency": "usd"}
VISA = {"payment_method": "pm_card_visa"}
MANUAL = DRAFT | VISA | {"confirm": True, "capture_method": "manual"}


async def test_an_intent_goes_from_draft_to_success(sdk: Sdk) -> None:
    made = await sdk.payment_intents.create(DRAFT | {"metadata": {"order": "6735"}})
    assert is_a(made, stripe.PaymentIntent)
    assert (made.status, made.amount, made.currency) == ("requires_payment_method", 1099, "usd")
    assert made.client_secret.startswith(f"{made.id}_secret_")
    assert (made.amount_received, made.latest_charge) == (0, None)

    changed = await sdk.payment_intents.update(made.id, VISA | {"amount": 2000, "description": "two"})
    assert (changed.status, changed.amount) == ("requires_confirmation", 2000)

    done = await sdk.payment_intents.confirm(made.id)
    assert (done.status, done.amount_received, done.amount_capturable) == ("succeeded", 2000, 0)
    assert done.latest_charge.startswith("ch_")
    assert done.metadata.to_dict() == {"order": "6735"}
    assert (await sdk.payment_intents.retrieve(made.id)).status == "succeeded"
    assert [one.id for one in (await sdk.payment_intents.list()).data] == [made.id]


async def test_a_manual_capture_may_take_a_part(sdk: Sdk) -> None:
    held = await sdk.payment_intents.create(MANUAL)
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 1099, 0)

    done = await sdk.payment_intents.capture(held.id, {"amount_to_capture": 500})

    assert (done.status, done.amount_capturable, done.amount_received) == ("succeeded", 0, 500)
    charge = await sdk.charges.retrieve(done.latest_charge)
    assert (charge.captured, charge.amount, charge.amount_captured) == (True, 1099, 500)


async def test_a_held_amount_is_released_by_cancel(sdk: Sdk) -> None:
    held = await sdk.payment_intents.create(MANUAL)

    canceled = await sdk.payment_intents.cancel(held.id, {"cancellation_reason": "requested_by_customer"})

    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "requested_by_customer")
    assert canceled.canceled_at is not None
    assert canceled.amount_capturable == 0
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.payment_intents.capture(held.id)
    assert caught.value.code == "payment_intent_unexpected_state"
    assert caught.value.http_status == 400
    error: Any = caught.value.error
    assert error.payment_intent.id == held.id


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_decline_is_a_card_error_that_holds_the_intent(
    sdk: Sdk, card: str, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await sdk.payment_intents.create(DRAFT | {"payment_method": card, "confirm": True})

    error = caught.value
    assert (error.http_status, error.code) == (402, code)
    assert error.user_message
    assert error.error is not None
    assert (error.error.type, error.error.to_dict().get("decline_code")) == ("card_error", decline_code)
    intent: Any = error.error.payment_intent
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error.code == code
    assert intent.last_payment_error.to_dict().get("decline_code") == decline_code
    charge = await sdk.charges.retrieve(error.error.charge)
    assert (charge.status, charge.paid, charge.captured) == ("failed", False, False)
    assert charge.failure_code == code


async def test_another_card_pays_what_the_first_did_not(sdk: Sdk) -> None:
    made = await sdk.payment_intents.create(DRAFT)
    with pytest.raises(stripe.CardError):
        await sdk.payment_intents.confirm(made.id, {"payment_method": "pm_card_chargeDeclined"})

    done = await sdk.payment_intents.confirm(made.id, {"payment_method": "pm_card_mastercard"})

    assert (done.status, done.last_payment_error) == ("succeeded", None)
    charges = (await sdk.charges.list({"payment_intent": made.id})).data
    assert [one.status for one in charges] == ["succeeded", "failed"]


async def test_a_card_that_wants_its_holder_requires_action(sdk: Sdk) -> None:
    intent = await sdk.payment_intents.create(
        DRAFT
        | {
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://example.com/back",
        }
    )

    assert intent.status == "requires_action"
    assert intent.next_action.type == "redirect_to_url"
    assert intent.next_action.redirect_to_url.return_url == "https://example.com/back"
    assert intent.next_action.redirect_to_url.url.startswith("http")
    assert (await sdk.payment_intents.cancel(intent.id)).status == "canceled"


async def test_an_absent_holder_cannot_be_asked(sdk: Sdk) -> None:
    with pytest.raises(stripe.CardError) as caught:
        await sdk.payment_intents.create(
            DRAFT | {"payment_method": "pm_card_authenticationRequired", "confirm": True, "off_session": True}
        )

    assert caught.value.code == "authentication_required"


@pytest.mark.parametrize("method", ["confirm", "capture", "cancel"])
async def test_a_finished_intent_refuses_every_move(sdk: Sdk, method: str) -> None:
    done = await sdk.payment_intents.create(DRAFT | VISA | {"confirm": True})

    with pytest.raises(stripe.InvalidRequestError) as caught:
        await getattr(sdk.payment_intents, method)(done.id)

    assert caught.value.code == "payment_intent_unexpected_state"


async def test_expansion_reaches_through_objects_and_lists(sdk: Sdk) -> None:
    customer = await sdk.customers.create({"name": "Jo"})
    fields: dict[str, Any] = {"expand": ["customer", "payment_method", "latest_charge.balance_transaction"]}

    made = await sdk.payment_intents.create(
        DRAFT | VISA | {"customer": customer.id, "confirm": True} | fields
    )
    assert made.customer.name == "Jo"
    assert made.payment_method.card.last4 == "4242"
    assert made.latest_charge.balance_transaction.amount == 1099

    plain = await sdk.payment_intents.retrieve(made.id)
    assert plain.customer == customer.id
    assert plain.latest_charge == made.latest_charge.id
    read = await sdk.payment_intents.retrieve(made.id, fields)
    assert read.latest_charge.balance_transaction.type == "charge"
    listed = await sdk.payment_intents.list({"expand": ["data.customer"]})
    assert listed.data[0].customer.id == customer.id


async def test_intents_are_listed_by_customer(sdk: Sdk) -> None:
    customer = await sdk.customers.create({})
    wanted = await sdk.payment_intents.create(DRAFT | {"customer": customer.id})
    await sdk.payment_intents.create(DRAFT)

    assert [one.id for one in (await sdk.payment_intents.list({"customer": customer.id})).data] == [wanted.id]
