"""Charges, refunds, the balance and its transactions through the official SDK."""

from typing import Any

import pytest
import stripe

from tests.contract.payments_sdk.sdk import Sdk, is_a


async def paid(sdk: Sdk, amount: int = 1099, currency: str = "usd") -> Any:
    return await sdk.payment_intents.create(
        {"amount": amount, "currency": currency, "payment_method": "pm_card_visa", "confirm": True}
    )


async def test_a_charge_is_read_and_listed(sdk: Sdk) -> None:
    intent = await paid(sdk)

    charge = await sdk.charges.retrieve(intent.latest_charge)

    assert is_a(charge, stripe.Charge)
    assert (charge.status, charge.paid, charge.captured, charge.refunded) == ("succeeded", True, True, False)
    assert charge.payment_intent == intent.id
    assert charge.payment_method_details.card.last4 == "4242"
    assert charge.outcome.type == "authorized"
    assert [one.id for one in await sdk.every(await sdk.charges.list())] == [charge.id]


async def test_refunds_add_up_to_what_was_captured_and_no_further(sdk: Sdk) -> None:
    intent = await paid(sdk)

    part = await sdk.refunds.create(
        {"payment_intent": intent.id, "amount": 99, "reason": "requested_by_customer"}
    )
    assert is_a(part, stripe.Refund)
    assert (part.status, part.amount, part.reason) == ("succeeded", 99, "requested_by_customer")
    assert (part.charge, part.payment_intent) == (intent.latest_charge, intent.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.refunds.create({"payment_intent": intent.id, "amount": 1001})
    assert caught.value.param == "amount"

    rest = await sdk.refunds.create({"charge": intent.latest_charge})
    assert rest.amount == 1000
    charge = await sdk.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 1099)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await sdk.refunds.create({"charge": intent.latest_charge})
    assert caught.value.code == "charge_already_refunded"
    listed = await sdk.refunds.list({"payment_intent": intent.id})
    assert [one.id for one in listed.data] == [rest.id, part.id]


async def test_a_refund_is_read_and_its_metadata_changed(sdk: Sdk) -> None:
    intent = await paid(sdk)
    made = await sdk.refunds.create({"payment_intent": intent.id})

    changed = await sdk.refunds.update(made.id, {"metadata": {"ticket": "7"}})

    assert changed.metadata.to_dict() == {"ticket": "7"}
    assert (await sdk.refunds.retrieve(made.id)).metadata.to_dict() == {"ticket": "7"}


async def test_the_balance_is_the_sum_of_its_transactions(sdk: Sdk) -> None:
    intent = await paid(sdk, 10_000)
    await paid(sdk, 5_000, "eur")
    await sdk.refunds.create({"payment_intent": intent.id, "amount": 4_000})

    balance = await sdk.balance.retrieve()
    moves = await sdk.every(await sdk.balance_transactions.list({"limit": 2}))

    assert balance.object == "balance"
    held = {
        currency: sum(
            part.amount for part in [*balance.available, *balance.pending] if part.currency == currency
        )
        for currency in ("usd", "eur")
    }
    assert held == {
        currency: sum(move.net for move in moves if move.currency == currency) for currency in ("usd", "eur")
    }
    assert sorted(move.type for move in moves) == ["charge", "charge", "refund"]
    assert all(move.net == move.amount - move.fee for move in moves)
    charged = next(move for move in moves if move.type == "charge" and move.currency == "usd")
    assert (charged.amount, charged.fee, charged.source) == (10_000, 320, intent.latest_charge)
    assert (await sdk.balance_transactions.retrieve(charged.id)).net == 9_680
    refunds = await sdk.balance_transactions.list({"type": "refund"})
    assert [move.amount for move in refunds.data] == [-4_000]
