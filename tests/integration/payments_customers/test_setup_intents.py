"""Setup intents: a card is made ready, after authentication where it wants that, or declined."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.payments_customers.wire import Replicas, attached, customer, listed, made, post, told
from tests.support.payments import Served, error_of


async def test_a_setup_intent_goes_from_nothing_to_ready(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    created = await made(api, "/v1/setup_intents", customer=owner)
    assert (created["status"], created["payment_method"]) == ("requires_payment_method", None)
    assert (created["usage"], created["latest_attempt"]) == ("off_session", None)
    assert created["client_secret"].startswith(f"{created['id']}_secret_")

    path = f"/v1/setup_intents/{created['id']}"
    chosen = await made(api, path, payment_method="pm_card_visa", description="later")
    assert (chosen["status"], chosen["description"]) == ("requires_confirmation", "later")
    done = await made(api, f"{path}/confirm")
    assert (done["status"], done["payment_method"]) == ("succeeded", chosen["payment_method"])
    assert (await api.get(path)).json() == done
    assert await listed(api, f"/v1/customers/{owner}/payment_methods") == [done["payment_method"]]
    assert (await told(api, "setup_intent.succeeded"))[0]["object"] == done
    assert len(await told(api, "setup_intent.created")) == 1


async def test_a_card_described_in_the_request_is_set_up_at_once(api: httpx.AsyncClient) -> None:
    data = {
        "payment_method_data[type]": "card",
        "payment_method_data[card][token]": "tok_visa",
        "payment_method_data[billing_details][name]": "J",
        "payment_method_types[]": "card",
        "expand[]": "payment_method",
    }
    done = await made(api, "/v1/setup_intents", confirm="true", usage="on_session", **data)
    assert (done["status"], done["usage"], done["automatic_payment_methods"]) == (
        "succeeded",
        "on_session",
        None,
    )
    assert done["payment_method"]["billing_details"]["name"] == "J"
    assert done["payment_method"]["customer"] is None


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_decline_asks_for_another_card(api: httpx.AsyncClient, at_once: bool) -> None:  # noqa: FBT001
    params = {"payment_method": "pm_card_chargeDeclinedLostCard"}
    if at_once:
        answer = await post(api, "/v1/setup_intents", "k", confirm="true", **params)
    else:
        intent = await made(api, "/v1/setup_intents", **params)
        answer = await post(api, f"/v1/setup_intents/{intent['id']}/confirm", "k")
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["decline_code"]) == (402, "card_declined", "lost_card")
    path = f"/v1/setup_intents/{error['setup_intent']['id']}"
    shown = (await api.get(path)).json()
    assert shown == error["setup_intent"]
    assert (shown["status"], shown["payment_method"]) == ("requires_payment_method", None)
    assert shown["last_setup_error"]["decline_code"] == "lost_card"
    assert shown["last_setup_error"]["payment_method"]["card"]["last4"] == "9987"
    assert len(await told(api, "setup_intent.setup_failed")) == 1

    done = await made(api, f"{path}/confirm", payment_method="pm_card_visa")
    assert (done["status"], done["last_setup_error"]) == ("succeeded", None)


async def test_a_declined_confirmation_is_repeated_to_the_letter(api: httpx.AsyncClient) -> None:
    params = {"payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    first, again = [await post(api, "/v1/setup_intents", "k", **params) for _ in range(2)]
    assert (first.status_code, again.status_code) == (402, 402)
    assert first.content == again.content
    assert len(await listed(api, "/v1/setup_intents")) == 1


async def _asked(api: httpx.AsyncClient, **params: Any) -> tuple[dict[str, Any], str]:
    """An intent that waits for its holder, and the path of the page."""
    card = {"payment_method": "pm_card_authenticationRequired", "confirm": "true"}
    intent = await made(api, "/v1/setup_intents", **card, **params)
    assert intent["status"] == "requires_action"
    assert intent["next_action"]["type"] == "redirect_to_url"
    url: str = intent["next_action"]["redirect_to_url"]["url"]
    return intent, url[url.index("/authenticate/") :]


async def test_the_holder_authenticates_on_the_page(api: httpx.AsyncClient, served: Served) -> None:
    owner = await customer(api)
    intent, page = await _asked(api, customer=owner, return_url="https://shop.example.com/done?a=1")
    assert intent["next_action"]["redirect_to_url"]["return_url"] == "https://shop.example.com/done?a=1"
    assert len(await told(api, "setup_intent.requires_action")) == 1

    holder = served.client(None)
    assert (await holder.get(page)).status_code == 200
    back = await holder.post(page, data={"outcome": "succeed"})
    assert back.status_code == 303
    assert back.headers["Location"].startswith("https://shop.example.com/done?a=1&setup_intent=seti_")
    assert back.headers["Location"].endswith("redirect_status=succeeded")
    shown = (await api.get(f"/v1/setup_intents/{intent['id']}")).json()
    assert (shown["status"], shown["next_action"]) == ("succeeded", None)
    assert await listed(api, f"/v1/customers/{owner}/payment_methods") == [shown["payment_method"]]
    assert (await holder.get(page)).status_code == 404
    assert (await holder.post(page, data={"outcome": "fail"})).status_code == 404


async def test_a_holder_who_fails_needs_another_card(api: httpx.AsyncClient, served: Served) -> None:
    intent, page = await _asked(api)
    assert (await served.client(None).post(page, data={"outcome": "fail"})).status_code == 200
    shown = (await api.get(f"/v1/setup_intents/{intent['id']}")).json()
    assert shown["status"] == "requires_payment_method"
    assert shown["last_setup_error"]["code"] == "setup_intent_authentication_failure"


async def test_two_clicks_have_one_winner(api: httpx.AsyncClient, served: Served) -> None:
    intent, page = await _asked(api)
    holder = served.client(None)
    outcomes = ["succeed", "fail"] * 4
    clicks = await asyncio.gather(*(holder.post(page, data={"outcome": outcome}) for outcome in outcomes))
    assert sorted(click.status_code for click in clicks) == [200] + [404] * 7
    ended = [*await told(api, "setup_intent.succeeded"), *await told(api, "setup_intent.setup_failed")]
    assert len(ended) == 1
    assert ended[0]["object"] == (await api.get(f"/v1/setup_intents/{intent['id']}")).json()


async def test_a_card_detached_while_its_holder_authenticates_is_not_set_up(
    api: httpx.AsyncClient, served: Served
) -> None:
    owner = await customer(api)
    method = await attached(api, owner, "pm_card_authenticationRequired")
    intent = await made(api, "/v1/setup_intents", customer=owner, payment_method=method, confirm="true")
    await made(api, f"/v1/payment_methods/{method}/detach")
    page = "/authenticate/" + intent["next_action"]["redirect_to_url"]["url"].rsplit("/", 1)[1]
    await served.client(None).post(page, data={"outcome": "succeed"})
    assert (await api.get(f"/v1/setup_intents/{intent['id']}")).json()["status"] == "requires_payment_method"


async def test_what_is_set_up_once_needs_no_holder_off_session(
    api: httpx.AsyncClient, served: Served
) -> None:
    owner = await customer(api)
    intent = await made(
        api,
        "/v1/setup_intents",
        customer=owner,
        payment_method="pm_card_authenticationRequiredOnSetup",
        confirm="true",
    )
    page = "/authenticate/" + intent["next_action"]["redirect_to_url"]["url"].rsplit("/", 1)[1]
    await served.client(None).post(page, data={"outcome": "succeed"})
    assert await served.value("SELECT set_up FROM payment_methods") is True


async def test_an_open_setup_intent_is_canceled_with_its_reason(
    api: httpx.AsyncClient, served: Served
) -> None:
    intent, page = await _asked(api)
    path = f"/v1/setup_intents/{intent['id']}"
    canceled = await made(api, f"{path}/cancel", cancellation_reason="abandoned")
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "abandoned")
    assert canceled["next_action"] is None
    assert (await served.client(None).post(page, data={"outcome": "succeed"})).status_code == 404
    assert len(await told(api, "setup_intent.canceled")) == 1


@pytest.mark.parametrize("end", ["confirm", "cancel"])
@pytest.mark.parametrize("then", ["confirm", "cancel", "update"])
async def test_what_has_ended_stays_as_it_is(api: httpx.AsyncClient, end: str, then: str) -> None:
    intent = await made(api, "/v1/setup_intents", payment_method="pm_card_visa")
    path = f"/v1/setup_intents/{intent['id']}"
    ended = await made(api, f"{path}/{end}")
    params = {"payment_method": "pm_card_visa"} if then == "update" else {}
    answer = await post(api, path if then == "update" else f"{path}/{then}", **params)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "setup_intent_unexpected_state")
    assert error["setup_intent"] == ended
    assert (await made(api, path, **{"metadata[a]": "1"}))["metadata"] == {"a": "1"}


async def test_a_confirmation_needs_a_card(api: httpx.AsyncClient) -> None:
    intent = await made(api, "/v1/setup_intents")
    answer = await post(api, f"/v1/setup_intents/{intent['id']}/confirm")
    assert (answer.status_code, error_of(answer)["code"]) == (400, "setup_intent_unexpected_state")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"customer": "cus_nobody"}, "customer"),
        ({"payment_method": "pm_nobody"}, "payment_method"),
        ({"usage": "sometimes"}, "usage"),
        ({"payment_method_types[]": "sepa_debit"}, "payment_method_types"),
        ({"return_url": "https://example.com"}, "return_url"),
        ({"automatic_payment_methods[allow_redirects]": "never"}, "automatic_payment_methods[enabled]"),
        ({"amount": "1"}, "amount"),
    ],
)
async def test_what_cannot_be_is_refused(api: httpx.AsyncClient, params: dict[str, str], param: str) -> None:
    answer = await post(api, "/v1/setup_intents", **params)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)
    assert await listed(api, "/v1/setup_intents") == []


async def test_anothers_card_is_not_set_up(api: httpx.AsyncClient) -> None:
    owner, stranger = await customer(api), await customer(api)
    card = await attached(api, owner)
    for params in ({"customer": stranger}, {}):
        answer = await post(api, "/v1/setup_intents", payment_method=card, **params)
        assert (answer.status_code, error_of(answer)["param"]) == (400, "payment_method")


async def test_a_wrong_client_secret_opens_nothing(api: httpx.AsyncClient) -> None:
    intent = await made(api, "/v1/setup_intents")
    path = f"/v1/setup_intents/{intent['id']}"
    right = await api.get(path, params={"client_secret": intent["client_secret"]})
    assert right.status_code == 200
    wrong = await api.get(path, params={"client_secret": intent["client_secret"] + "x"})
    assert (wrong.status_code, error_of(wrong)["param"]) == (400, "client_secret")


async def test_confirmations_that_race_set_up_once(api: httpx.AsyncClient, replicas: Replicas) -> None:
    intent = await made(api, "/v1/setup_intents", payment_method="pm_card_visa")
    path = f"/v1/setup_intents/{intent['id']}"
    answers = await asyncio.gather(
        *(post(next(replicas), f"{path}/confirm") for _ in range(4)),
        *(post(next(replicas), f"{path}/cancel") for _ in range(4)),
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert len([*await told(api, "setup_intent.succeeded"), *await told(api, "setup_intent.canceled")]) == 1


async def test_lists_are_of_account_customer_and_card(api: httpx.AsyncClient) -> None:
    owner = await customer(api)
    card = await attached(api, owner)
    with_card = await made(api, "/v1/setup_intents", customer=owner, payment_method=card)
    without = await made(api, "/v1/setup_intents", customer=owner)
    loose = await made(api, "/v1/setup_intents")
    ids = [loose["id"], without["id"], with_card["id"]]

    assert await listed(api, "/v1/setup_intents") == ids
    assert await listed(api, "/v1/setup_intents", customer=owner) == ids[1:]
    assert await listed(api, "/v1/setup_intents", payment_method=card) == ids[2:]
    assert await listed(api, "/v1/setup_intents", payment_method=card, customer=owner) == ids[2:]
    assert await listed(api, "/v1/setup_intents", payment_method=card, customer=await customer(api)) == []
    assert await listed(api, "/v1/setup_intents", limit=1, ending_before=ids[1]) == ids[:1]
    assert await listed(api, "/v1/setup_intents", customer=owner, limit=1, starting_after=ids[1]) == ids[2:]
    assert await listed(api, "/v1/setup_intents", **{"created[lt]": loose["created"] - 60}) == []


async def test_a_card_set_up_while_its_customer_is_deleted_ends_with_nobody(
    api: httpx.AsyncClient, replicas: Replicas, served: Served
) -> None:
    for _ in range(4):
        owner = await customer(api)
        card = await attached(api, owner)
        intent = await made(api, "/v1/setup_intents", customer=owner, payment_method=card)
        confirmed, deleted = await asyncio.gather(
            post(next(replicas), f"/v1/setup_intents/{intent['id']}/confirm"),
            next(replicas).delete(f"/v1/customers/{owner}"),
        )
        assert confirmed.status_code in {200, 400}
        assert deleted.status_code == 200
    assert await served.value("SELECT count(*) FROM payment_methods WHERE customer_id IS NOT NULL") == 0
