"""No account reaches into another's customers, cards and setup intents, by whichever route."""

import httpx

from tests.integration.payments_customers.wire import attached, customer, listed, made, post, told
from tests.support.payments import error_of


async def test_nothing_of_another_account_is_found_in_any_route(
    api: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    owner = await customer(api, email="a@example.com")
    card = await attached(api, owner)
    intent = (await made(api, "/v1/setup_intents", customer=owner, payment_method=card))["id"]
    before = await told(other, "customer.updated")
    gone = [
        await other.get(f"/v1/customers/{owner}"),
        await post(other, f"/v1/customers/{owner}", name="mine now"),
        await other.delete(f"/v1/customers/{owner}"),
        await other.get(f"/v1/customers/{owner}/payment_methods"),
        await other.get(f"/v1/customers/{owner}/payment_methods/{card}"),
        await other.get(f"/v1/payment_methods/{card}"),
        await post(other, f"/v1/payment_methods/{card}", **{"metadata[a]": "1"}),
        await post(other, f"/v1/payment_methods/{card}/detach"),
        await post(other, f"/v1/payment_methods/{card}/attach", customer=await customer(other)),
        await other.get(f"/v1/setup_intents/{intent}"),
        await post(other, f"/v1/setup_intents/{intent}", description="mine now"),
        await post(other, f"/v1/setup_intents/{intent}/confirm"),
        await post(other, f"/v1/setup_intents/{intent}/cancel"),
    ]
    assert [(answer.status_code, error_of(answer)["code"]) for answer in gone] == [
        (404, "resource_missing")
    ] * len(gone)
    named = [
        await other.get("/v1/payment_methods", params={"customer": owner}),
        await other.get("/v1/setup_intents", params={"customer": owner}),
        await other.get("/v1/setup_intents", params={"payment_method": card}),
        await post(other, "/v1/setup_intents", customer=owner),
        await post(other, "/v1/setup_intents", payment_method=card),
        await post(other, "/v1/customers", payment_method=card),
        await post(other, "/v1/payment_methods/pm_card_visa/attach", customer=owner),
    ]
    assert [(answer.status_code, error_of(answer)["code"]) for answer in named] == [
        (400, "resource_missing")
    ] * len(named)
    assert before == await told(other, "customer.updated")


async def test_lists_hold_only_ones_own(api: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    owner = await customer(api, email="a@example.com")
    card = await attached(api, owner)
    await made(api, "/v1/setup_intents", customer=owner, payment_method=card)
    for path in ("/v1/customers", "/v1/payment_methods", "/v1/setup_intents"):
        assert await listed(other, path) == []
    assert await listed(other, "/v1/customers", email="a@example.com") == []


async def test_one_key_in_two_accounts_is_two_keys(api: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    mine, theirs = [await post(client, "/v1/customers", "same", name="A") for client in (api, other)]
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert mine.json()["id"] != theirs.json()["id"]
