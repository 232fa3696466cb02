"""The SDK's own retries on a road that loses answers: one effect, and the caller never learns of it."""

import re
from collections.abc import AsyncIterator, Callable

import pytest

from tests.contract.payments_sdk.lossy import LossyRoad, lossy_road
from tests.contract.payments_sdk.sdk import Sdk

KEY = re.compile(rb"idempotency-key: *(\S+)", re.IGNORECASE)
PAYMENT = {"amount": 1099, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


@pytest.fixture
async def road(payments_url: str) -> AsyncIterator[LossyRoad]:
    async with lossy_road(payments_url) as road:
        yield road


@pytest.fixture
def far(make_sdk: Callable[..., Sdk], api_key: str, road: LossyRoad) -> Sdk:
    return make_sdk(api_key, url=road.url)


def keys(road: LossyRoad) -> set[bytes]:
    return {found[1] for post in road.posts if (found := KEY.search(post))}


async def test_a_payment_whose_answer_is_lost_charges_once(sdk: Sdk, far: Sdk, road: LossyRoad) -> None:
    road.lose_answers = 1

    intent = await far.payment_intents.create(PAYMENT)

    assert len(road.posts) == 2
    assert len(keys(road)) == 1
    assert intent.status == "succeeded"
    assert intent.last_response.headers["idempotent-replayed"] == "true"
    assert [one.id for one in (await sdk.payment_intents.list()).data] == [intent.id]
    assert [one.id for one in (await sdk.charges.list()).data] == [intent.latest_charge]


async def test_a_payment_that_never_arrived_is_sent_again(sdk: Sdk, far: Sdk, road: LossyRoad) -> None:
    road.lose_requests = 1

    intent = await far.payment_intents.create(PAYMENT)

    assert len(road.posts) == 2
    assert intent.last_response.headers.get("idempotent-replayed") is None
    assert len((await sdk.charges.list()).data) == 1


async def test_a_refund_whose_answer_is_lost_is_paid_once(sdk: Sdk, far: Sdk, road: LossyRoad) -> None:
    intent = await sdk.payment_intents.create(PAYMENT)
    road.lose_answers = 1

    refund = await far.refunds.create({"payment_intent": intent.id, "amount": 100})

    assert len(road.posts) == 2
    assert [one.id for one in (await sdk.refunds.list()).data] == [refund.id]
    assert (await sdk.charges.retrieve(intent.latest_charge)).amount_refunded == 100
