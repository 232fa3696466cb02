"""Payment methods: test cards under their names, tokens and numbers, and whose they are."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.payments_customers.wire import Replicas, attached, customer, listed, made, post, told
from tests.support.payments import Served, error_of

VISA = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "8", "card[exp_year]": "2035"}


async def test_a_token_makes_a_card(api: httpx.AsyncClient) -> None:
    method = await made(
        api,
        "/v1/payment_methods",
        type="card",
        **{"card[token]": "tok_mastercard", "billing_details[name]": "J", "metadata[a]": "1"},
    )
    assert (method["type"], method["customer"], method["card"]["last4"]) == ("card", None, "4444")
    assert (method["billing_details"]["name"], method["metadata"]) == ("J", {"a": "1"})
    assert (await api.get(f"/v1/payment_methods/{method['id']}")).json() == method


async def test_a_number_makes_a_card_and_is_nowhere_kept(api: httpx.AsyncClient, served: Served) -> None:
    method = await made(api, "/v1/payment_methods", **VISA, **{"card[cvc]": "314"})
    card = method["card"]
    assert (card["brand"], card["exp_month"], card["exp_year"]) == ("visa", 8, 2035)
    assert card["checks"]["cvc_check"] == "unchecked"
    row = await served.value("SELECT to_json(payment_methods)::text FROM payment_methods")
    assert "4242" not in row
    assert "314" not in row


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"card[number]": "4242424242424241"}, 402, "incorrect_number", "number"),
        ({"card[number]": "12"}, 402, "incorrect_number", "number"),
        ({"card[number]": "4532015112830366"}, 402, "card_declined", None),
        ({"card[exp_month]": "13"}, 402, "invalid_expiry_month", "exp_month"),
        ({"card[exp_year]": "1999"}, 402, "invalid_expiry_year", "exp_year"),
        ({"card[cvc]": "99"}, 402, "invalid_cvc", "cvc"),
        ({"card[number]": ""}, 400, "parameter_invalid_empty", "card[number]"),
        ({"card[pin]": "1"}, 400, "parameter_unknown", "card[pin]"),
        ({"type": "us_bank_account"}, 400, "payment_method_unactivated", "type"),
        ({"type": "cheque"}, 400, None, "type"),
    ],
)
async def test_a_card_that_cannot_be_is_refused(
    api: httpx.AsyncClient, change: dict[str, str], status: int, code: str | None, param: str | None
) -> None:
    answer = await post(api, "/v1/payment_methods", **{**VISA, **change})
    error = error_of(answer)
    assert (answer.status_code, error.get("code"), error.get("param")) == (status, code, param)


@pytest.mark.parametrize("missing", ["type", "card[number]", "card[exp_month]", "card[exp_year]"])
async def test_what_is_missing_is_named(api: httpx.AsyncClient, missing: str) -> None:
    params = {name: value for name, value in VISA.items() if name != missing}
    error = error_of(await post(api, "/v1/payment_methods", **params))
    assert (error["code"], error["param"]) == ("parameter_missing", missing)


async def test_each_use_of_a_name_is_another_card(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    first, second = await attached(api, owner), await attached(api, owner)
    assert first != second
    looked_at = (await api.get("/v1/payment_methods/pm_card_visa")).json()
    assert looked_at["id"].startswith("pm_")
    assert looked_at["id"] not in {"pm_card_visa", first, second}
    prints = {
        (await api.get(f"/v1/payment_methods/{method}")).json()["card"]["fingerprint"]
        for method in (first, second, looked_at["id"])
    }
    assert len(prints) == 1


async def test_attaching_says_whose_it_is(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    method = await made(api, "/v1/payment_methods", **VISA, **{"card[cvc]": "314"})
    mine = await made(api, f"/v1/payment_methods/{method['id']}/attach", customer=owner)

    assert (mine["customer"], mine["card"]["checks"]["cvc_check"]) == (owner, "pass")
    assert (await told(api, "payment_method.attached"))[0]["object"] == mine
    assert await made(api, f"/v1/payment_methods/{method['id']}/attach", customer=owner) == mine
    assert len(await told(api, "payment_method.attached")) == 1
    refused = await post(api, f"/v1/payment_methods/{method['id']}/attach", customer=await customer(api))
    assert (refused.status_code, error_of(refused)["code"]) == (400, "payment_method_unexpected_state")


@pytest.mark.parametrize(
    ("name", "code", "decline_code"),
    [
        ("chargeDeclined", "card_declined", "generic_decline"),
        ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("chargeDeclinedStolenCard", "card_declined", "stolen_card"),
        ("chargeDeclinedExpiredCard", "expired_card", None),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_declining_card_is_not_attached(
    api: httpx.AsyncClient, name: str, code: str, decline_code: str | None
) -> None:
    owner = await customer(api)
    answer = await post(api, f"/v1/payment_methods/pm_card_{name}/attach", "k", customer=owner)
    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (402, "card_error")
    assert (error["code"], error.get("decline_code")) == (code, decline_code)
    assert await listed(api, f"/v1/customers/{owner}/payment_methods") == []


async def test_a_card_that_declines_later_is_attached(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    method = await attached(api, owner, "pm_card_chargeCustomerFail")
    assert await listed(api, "/v1/payment_methods", customer=owner) == [method]


async def test_detaching_is_for_good(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    method = await attached(api, owner)
    await made(api, f"/v1/customers/{owner}", **{"invoice_settings[default_payment_method]": method})
    freed = await made(api, f"/v1/payment_methods/{method}/detach")

    assert freed["customer"] is None
    shown = (await api.get(f"/v1/customers/{owner}")).json()
    assert shown["invoice_settings"]["default_payment_method"] is None
    assert (await told(api, "payment_method.detached"))[0]["previous_attributes"] == {"customer": owner}
    for answer in (
        await post(api, f"/v1/payment_methods/{method}/detach"),
        await post(api, f"/v1/payment_methods/{method}/attach", customer=owner),
        await post(api, "/v1/setup_intents", payment_method=method),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (400, "payment_method_unexpected_state")


async def test_an_update_changes_dates_holder_and_metadata(api: httpx.AsyncClient) -> None:
    method = await attached(api, await customer(api))
    params: dict[str, Any] = {
        "card[exp_month]": "1",
        "card[exp_year]": "2040",
        "billing_details[address][postal_code]": "12345",
        "metadata[a]": "1",
    }
    updated = await made(api, f"/v1/payment_methods/{method}", **params)
    assert (updated["card"]["exp_month"], updated["card"]["exp_year"]) == (1, 2040)
    assert updated["card"]["checks"]["address_postal_code_check"] == "pass"
    assert (updated["billing_details"]["address"]["postal_code"], updated["metadata"]) == (
        "12345",
        {"a": "1"},
    )
    previous = (await told(api, "payment_method.updated"))[0]["previous_attributes"]
    assert previous["metadata"] == {"a": None}
    refused = await post(api, f"/v1/payment_methods/{method}", **{"card[exp_year]": "2001"})
    assert error_of(refused)["code"] == "invalid_expiry_year"


async def test_what_is_nobodys_cannot_be_updated(api: httpx.AsyncClient) -> None:
    method = (await made(api, "/v1/payment_methods", **VISA))["id"]
    answer = await post(api, f"/v1/payment_methods/{method}", **{"metadata[a]": "1"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "payment_method_unexpected_state")


async def test_lists_are_of_a_customer_and_a_type(api: httpx.AsyncClient) -> None:
    owner, nobody = await customer(api), await customer(api)
    mine = [await attached(api, owner) for _ in range(3)][::-1]
    path = f"/v1/customers/{owner}/payment_methods"

    for found in (
        await listed(api, "/v1/payment_methods", customer=owner),
        await listed(api, "/v1/payment_methods", customer=owner, type="card"),
        await listed(api, path),
    ):
        assert found == mine
    assert await listed(api, "/v1/payment_methods", customer=owner, type="sepa_debit") == []
    assert await listed(api, "/v1/payment_methods", customer=nobody) == []
    assert await listed(api, path, limit=1, starting_after=mine[0]) == [mine[1]]
    assert await listed(api, path, limit=1, ending_before=mine[2]) == [mine[1]]
    assert await listed(api, "/v1/payment_methods", limit=2) == mine[:2]
    await made(api, f"/v1/payment_methods/{mine[1]}", allow_redisplay="always")
    assert await listed(api, path, allow_redisplay="always") == [mine[1]]
    assert await listed(api, "/v1/payment_methods", allow_redisplay="limited") == []
    assert (await api.get(f"{path}/{mine[0]}")).json()["id"] == mine[0]
    other_path = f"/v1/customers/{nobody}/payment_methods/{mine[0]}"
    assert (await api.get(other_path)).status_code == 404


async def test_one_of_many_customers_wins_a_card(
    api: httpx.AsyncClient, replicas: Replicas, served: Served
) -> None:
    method = (await made(api, "/v1/payment_methods", **VISA))["id"]
    owners = [await customer(api) for _ in range(8)]
    answers = await asyncio.gather(
        *(post(next(replicas), f"/v1/payment_methods/{method}/attach", customer=owner) for owner in owners)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    winner = next(answer.json()["customer"] for answer in answers if answer.status_code == 200)
    assert await served.value("SELECT customer_id FROM payment_methods") == winner
    assert len(await told(api, "payment_method.attached")) == 1


async def test_a_customer_that_is_being_deleted_keeps_no_card(
    api: httpx.AsyncClient, replicas: Replicas, served: Served
) -> None:
    for _ in range(5):
        owner = await customer(api)
        await attached(api, owner)
        path = "/v1/payment_methods/pm_card_visa/attach"
        attaching = [post(next(replicas), path, customer=owner) for _ in range(4)]
        deleted, *answers = await asyncio.gather(api.delete(f"/v1/customers/{owner}"), *attaching)
        assert deleted.status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 400}
    assert await served.value("SELECT count(*) FROM payment_methods WHERE customer_id IS NOT NULL") == 0


async def test_detaching_and_deleting_at_once_detaches_once(
    api: httpx.AsyncClient, replicas: Replicas
) -> None:
    for _ in range(5):
        owner = await customer(api)
        method = await attached(api, owner)
        answers = await asyncio.gather(
            *(post(next(replicas), f"/v1/payment_methods/{method}/detach") for _ in range(3)),
            api.delete(f"/v1/customers/{owner}"),
        )
        assert {answer.status_code for answer in answers} <= {200, 400}
    assert len(await told(api, "payment_method.detached")) == 5
