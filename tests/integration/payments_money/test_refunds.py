"""Refunds as a merchant makes them: full, partial, several, refused, read, listed and changed."""

import pytest

from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_full_refund_gives_everything_back_and_is_told(money: Money) -> None:
    intent = await money.pay(1000)
    refund = await money.refund(intent, reason="duplicate", **{"metadata[ticket]": "7"})

    assert (refund["object"], refund["status"], refund["amount"]) == ("refund", "succeeded", 1000)
    assert (refund["charge"], refund["payment_intent"]) == (intent["latest_charge"], intent["id"])
    assert (refund["reason"], refund["metadata"], refund["currency"]) == ("duplicate", {"ticket": "7"}, "usd")
    charge = await money.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["refunded"], charge["amount_refunded"], charge["amount_captured"]) == (True, 1000, 1000)
    assert (await money.get(f"/v1/payment_intents/{intent['id']}"))["status"] == "succeeded"
    assert (await money.events())[-2:] == ["refund.created", "charge.refunded"]
    await money.prove()


async def test_partial_refunds_go_as_far_as_what_was_captured(money: Money) -> None:
    intent = await money.pay(1000)
    first = await money.refund(intent, amount=300)
    second = await money.post("/v1/refunds", charge=intent["latest_charge"], amount=600)
    too_much = await money.post("/v1/refunds", payment_intent=intent["id"], amount=101)
    rest = await money.refund(intent)
    none_left = await money.post("/v1/refunds", payment_intent=intent["id"], amount=1)

    assert (first["amount"], second.json()["amount"], rest["amount"]) == (300, 600, 100)
    error = error_of(too_much)
    assert (too_much.status_code, error["type"], error["param"]) == (400, "invalid_request_error", "amount")
    assert error["message"] == ("Refund amount ($1.01) is greater than unrefunded amount on charge ($1.00)")
    assert (none_left.status_code, error_of(none_left)["code"]) == (400, "charge_already_refunded")
    listed = await money.get("/v1/refunds", payment_intent=intent["id"])
    assert [one["amount"] for one in listed["data"]] == [100, 600, 300]
    await money.prove()


async def test_more_than_the_charge_is_refused(money: Money) -> None:
    intent = await money.pay(1000)
    answer = await money.post("/v1/refunds", payment_intent=intent["id"], amount=1001)
    assert error_of(answer)["message"] == "Refund amount ($10.01) is greater than charge amount ($10.00)"


async def test_a_partly_captured_charge_refunds_what_was_captured(money: Money) -> None:
    intent = await money.pay(1000, capture_method="manual")
    assert intent["status"] == "requires_capture"
    early = await money.post("/v1/refunds", payment_intent=intent["id"])
    by_charge = await money.post("/v1/refunds", charge=intent["latest_charge"])
    assert error_of(early)["message"] == (
        f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
    )
    assert (by_charge.status_code, error_of(by_charge)["code"]) == (400, "charge_not_refundable")

    captured = await money.post(f"/v1/payment_intents/{intent['id']}/capture", amount_to_capture=700)
    assert captured.status_code == 200, captured.text
    assert (await money.refund(intent))["amount"] == 700
    await money.prove()


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({}, "payment_intent", "parameter_missing"),
        ({"charge": "ch_nobodys"}, "charge", "resource_missing"),
        ({"payment_intent": "pi_nobodys"}, "payment_intent", "resource_missing"),
        ({"charge": "ch_1", "amount": 0}, "amount", None),
        ({"charge": "ch_1", "amount": -5}, "amount", None),
        ({"charge": "ch_1", "reason": "bored"}, "reason", None),
        ({"charge": "ch_1", "colour": "red"}, "colour", "parameter_unknown"),
    ],
)
async def test_what_cannot_be_a_refund_is_refused(
    money: Money, params: dict[str, str], param: str, code: str | None
) -> None:
    answer = await money.post("/v1/refunds", **params)
    error = error_of(answer)
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert code is None or error["code"] == code


async def test_a_refund_answers_the_same_to_the_same_key(money: Money) -> None:
    intent = await money.pay(1000)
    params = {"payment_intent": intent["id"], "amount": 400, "key": "once"}
    first, again = await money.post("/v1/refunds", **params), await money.post("/v1/refunds", **params)
    other = await money.post("/v1/refunds", **{**params, "amount": 500})

    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, error_of(other)["type"]) == (400, "idempotency_error")
    assert len((await money.get("/v1/refunds"))["data"]) == 1


async def test_metadata_of_a_refund_is_merged_and_told(money: Money) -> None:
    refund = await money.refund(await money.pay(), **{"metadata[a]": "1", "metadata[b]": "2"})
    path = f"/v1/refunds/{refund['id']}"
    changed = await money.post(path, **{"metadata[b]": "", "metadata[c]": "3"})

    assert changed.json()["metadata"] == {"a": "1", "c": "3"}
    assert (await money.get(path))["metadata"] == {"a": "1", "c": "3"}
    assert (await money.events())[-2:] == ["refund.updated", "charge.refund.updated"]
    refused = await money.post(path, amount=5)
    assert error_of(refused)["code"] == "parameter_unknown"


async def test_a_refund_cannot_be_canceled(money: Money) -> None:
    refund = await money.refund(await money.pay())
    answer = await money.post(f"/v1/refunds/{refund['id']}/cancel")
    unknown = await money.post("/v1/refunds/re_nobodys/cancel")
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "resource_missing")


async def test_refunds_are_listed_newest_first_in_pages(money: Money) -> None:
    intent, other = await money.pay(1000), await money.pay(500)
    made = [(await money.refund(intent, amount=amount))["id"] for amount in (1, 2, 3)]
    elsewhere = (await money.refund(other))["id"]
    newest_first = [elsewhere, *reversed(made)]

    async def ids(**query: object) -> list[str]:
        return [one["id"] for one in (await money.get("/v1/refunds", **query))["data"]]

    assert await ids() == newest_first
    assert await ids(charge=intent["latest_charge"]) == newest_first[1:]
    assert await ids(payment_intent=other["id"]) == [elsewhere]
    assert await ids(payment_intent=other["id"], charge=intent["latest_charge"]) == []
    assert await ids(limit=2, starting_after=newest_first[0]) == newest_first[1:3]
    assert await ids(limit=2, ending_before=newest_first[3]) == newest_first[1:3]
    page = await money.get(f"/v1/charges/{intent['latest_charge']}/refunds", limit=2)
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (newest_first[1:3], True)
    assert page["url"] == f"/v1/charges/{intent['latest_charge']}/refunds"
    assert await ids(**{"created[gt]": 4_000_000_000}) == []
    missing = await money.api.get("/v1/refunds", params={"starting_after": "re_nobodys"})
    assert (missing.status_code, error_of(missing)["param"]) == (400, "starting_after")


async def test_a_refund_is_found_under_its_own_charge_only(money: Money) -> None:
    intent, other = await money.pay(1000), await money.pay(1000)
    created = await money.post(f"/v1/charges/{intent['latest_charge']}/refunds", amount=10)
    refund = created.json()

    assert (refund["charge"], refund["amount"]) == (intent["latest_charge"], 10)
    found = await money.get(f"/v1/charges/{intent['latest_charge']}/refunds/{refund['id']}")
    assert found == refund
    elsewhere = await money.api.get(f"/v1/charges/{other['latest_charge']}/refunds/{refund['id']}")
    assert elsewhere.status_code == 404


async def test_what_a_refund_names_can_be_expanded(money: Money) -> None:
    intent = await money.pay(1000)
    answer = await money.post(
        "/v1/refunds",
        payment_intent=intent["id"],
        **{"expand[0]": "charge", "expand[1]": "payment_intent", "expand[2]": "balance_transaction.source"},
    )
    refund = answer.json()

    assert refund["charge"]["amount_refunded"] == 1000
    assert refund["payment_intent"]["id"] == intent["id"]
    assert refund["balance_transaction"]["net"] == -1000
    assert refund["balance_transaction"]["source"]["id"] == refund["id"]
    listed = await money.get("/v1/refunds", **{"expand[]": "data.charge"})
    assert listed["data"][0]["charge"]["id"] == intent["latest_charge"]


async def test_an_account_sees_and_refunds_only_its_own(money: Money) -> None:
    intent = await money.pay(1000)
    refund = await money.refund(intent, amount=1)
    stranger = (await money.as_somebody_new()).api

    assert (await stranger.get(f"/v1/refunds/{refund['id']}")).status_code == 404
    assert (await stranger.get("/v1/refunds")).json()["data"] == []
    assert (await stranger.get("/v1/balance_transactions")).json()["data"] == []
    for params in ({"payment_intent": intent["id"]}, {"charge": intent["latest_charge"]}):
        answer = await stranger.post("/v1/refunds", data=params)
        assert error_of(answer)["code"] == "resource_missing"
    changed = await stranger.post(f"/v1/refunds/{refund['id']}", data={"metadata[a]": "b"})
    assert changed.status_code == 404
    txn = await stranger.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    assert txn.status_code == 404
