"""Payment intents as the API shows them: what goes in, what comes out, and which state allows what."""

from typing import Any

import pytest

from tests.integration.payments_intents.paying import INTENTS, booked_of, intent_of
from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_intent_begins_without_a_payment_method(money: Money) -> None:
    made = await intent_of(money, **{"metadata[order]": "7", "description": "Shoes"})

    assert made["status"] == "requires_payment_method"
    assert made["client_secret"].startswith(made["id"] + "_secret_")
    assert (made["amount"], made["amount_capturable"], made["amount_received"]) == (2000, 0, 0)
    assert (made["metadata"], made["description"]) == ({"order": "7"}, "Shoes")
    assert made["payment_method_types"] == ["card"]
    assert made["payment_method_options"]["card"]["request_three_d_secure"] == "automatic"
    for name in ("canceled_at", "latest_charge", "next_action", "last_payment_error", "processing"):
        assert made[name] is None
    found = await money.get(f"{INTENTS}/{made['id']}", client_secret=made["client_secret"])
    assert found == made
    answer = await money.api.get(f"{INTENTS}/{made['id']}", params={"client_secret": "no"})
    assert error_of(answer)["param"] == "client_secret"


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 29, "currency": "gbp"}, "amount_too_small", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"currency": "xyz"}, None, "currency"),
        ({"currency": "dollar"}, None, "currency"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        ({"payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
        ({"off_session": "true"}, None, "off_session"),
        ({"return_url": "https://example.com"}, None, "return_url"),
        ({"receipt_email": "nobody"}, "email_invalid", "receipt_email"),
        (
            {"payment_method_types[]": "sepa_debit"},
            "payment_intent_invalid_parameter",
            "payment_method_types",
        ),
        ({"amout": 1}, "parameter_unknown", "amout"),
    ],
)
async def test_what_cannot_be_is_refused_and_leaves_the_key_free(
    money: Money, params: dict[str, Any], code: str | None, param: str
) -> None:
    wanted = {"amount": 2000, "currency": "usd"}
    refused = await money.post(INTENTS, key="k", **{**wanted, **params})

    assert refused.status_code == 400
    error = error_of(refused)
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)
    assert (await money.post(INTENTS, key="k", **wanted)).status_code == 200


async def test_a_test_card_pays_and_leaves_a_charge(money: Money) -> None:
    paid = await money.pay(2000, description="Shoes", receipt_email="a@example.com", **{"metadata[a]": "1"})

    assert (paid["status"], paid["amount_received"]) == ("succeeded", 2000)
    charge = await money.get(f"/v1/charges/{paid['latest_charge']}")
    assert (charge["status"], charge["paid"], charge["captured"]) == ("succeeded", True, True)
    assert (charge["amount"], charge["amount_captured"], charge["amount_refunded"]) == (2000, 2000, 0)
    assert (charge["payment_intent"], charge["payment_method"]) == (paid["id"], paid["payment_method"])
    assert (charge["description"], charge["metadata"]) == ("Shoes", {"a": "1"})
    assert charge["payment_method_details"]["card"]["last4"] == "4242"
    assert charge["outcome"]["type"] == "authorized"
    booked = await money.get(f"/v1/balance_transactions/{charge['balance_transaction']}")
    assert (booked["amount"], booked["fee"], booked["source"]) == (2000, 88, charge["id"])
    assert await money.events() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    await money.prove()


async def test_a_decline_is_a_card_error_and_the_intent_wants_another_card(money: Money) -> None:
    made = await intent_of(money, payment_method="pm_card_chargeDeclinedInsufficientFunds")
    answer = await money.post(f"{INTENTS}/{made['id']}/confirm", key="k")

    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (402, "card_error")
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    intent = error["payment_intent"]
    assert (intent["status"], intent["payment_method"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["decline_code"] == "insufficient_funds"
    assert intent["last_payment_error"]["payment_method"]["id"] == made["payment_method"]
    charge = await money.get(f"/v1/charges/{error['charge']}")
    assert (charge["status"], charge["paid"]) == ("failed", False)
    assert (charge["failure_code"], charge["outcome"]["type"]) == ("card_declined", "issuer_declined")
    again = await money.post(f"{INTENTS}/{made['id']}/confirm", key="k")
    assert (again.status_code, again.content) == (402, answer.content)
    assert again.headers["Idempotent-Replayed"] == "true"

    without = await money.post(f"{INTENTS}/{made['id']}/confirm")
    assert error_of(without)["code"] == "payment_intent_unexpected_state"
    paid = await money.post(f"{INTENTS}/{made['id']}/confirm", payment_method="pm_card_visa")
    assert (paid.json()["status"], paid.json()["last_payment_error"]) == ("succeeded", None)
    assert len((await money.get("/v1/charges", payment_intent=made["id"]))["data"]) == 2
    await money.prove()


async def test_a_manual_capture_may_take_a_part_once(money: Money) -> None:
    held = await money.pay(5000, capture_method="manual")
    assert (held["status"], held["amount_capturable"]) == ("requires_capture", 5000)
    charge = await money.get(f"/v1/charges/{held['latest_charge']}")
    assert (charge["captured"], charge["amount_captured"], charge["balance_transaction"]) == (False, 0, None)

    path = f"{INTENTS}/{held['id']}/capture"
    too_much = await money.post(path, amount_to_capture=5001)
    assert (error_of(too_much)["code"], error_of(too_much)["param"]) == (
        "amount_too_large",
        "amount_to_capture",
    )
    taken = await money.post(path, amount_to_capture=3000)
    assert taken.status_code == 200, taken.text
    assert (taken.json()["status"], taken.json()["amount_received"]) == ("succeeded", 3000)
    assert (taken.json()["amount"], taken.json()["amount_capturable"]) == (5000, 0)
    charge = await money.get(f"/v1/charges/{held['latest_charge']}")
    assert (charge["captured"], charge["amount_captured"]) == (True, 3000)

    again = await money.post(path)
    assert error_of(again)["code"] == "payment_intent_unexpected_state"
    assert error_of(again)["payment_intent"]["status"] == "succeeded"
    [booked] = await booked_of(money, held)
    assert (booked["status"], booked["captured"]) == ("captured", 3000)
    assert (await money.events())[-2:] == ["charge.captured", "payment_intent.succeeded"]
    await money.prove()


async def test_a_cancel_gives_up_at_once_or_voids_what_was_held(money: Money) -> None:
    made = await intent_of(money)
    gone = (await money.post(f"{INTENTS}/{made['id']}/cancel", cancellation_reason="duplicate")).json()
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "duplicate")
    assert gone["canceled_at"] >= gone["created"]

    held = await money.pay(5000, capture_method="manual")
    gone = (await money.post(f"{INTENTS}/{held['id']}/cancel")).json()
    assert (gone["status"], gone["amount_capturable"], gone["amount_received"]) == ("canceled", 0, 0)
    [booked] = await booked_of(money, held)
    assert booked["status"] == "voided"
    for action in ("confirm", "capture", "cancel"):
        refused = await money.post(f"{INTENTS}/{held['id']}/{action}")
        assert error_of(refused)["code"] == "payment_intent_unexpected_state"
        assert error_of(refused)["payment_intent"]["status"] == "canceled"
    await money.prove()


async def test_terms_may_change_until_money_has_moved(money: Money) -> None:
    made = await intent_of(money)
    path = f"{INTENTS}/{made['id']}"
    changed = await money.post(
        path,
        amount=3000,
        currency="eur",
        payment_method="pm_card_visa",
        description="",
        **{"metadata[a]": "1"},
    )
    assert changed.status_code == 200, changed.text
    intent = changed.json()
    assert (intent["amount"], intent["currency"], intent["status"]) == (3000, "eur", "requires_confirmation")
    assert (intent["metadata"], intent["description"]) == ({"a": "1"}, None)

    assert (await money.post(path + "/confirm")).json()["status"] == "succeeded"
    refused = await money.post(path, amount=4000)
    assert error_of(refused)["code"] == "payment_intent_unexpected_state"
    noted = (await money.post(path, description="Late", **{"metadata[b]": "2", "metadata[a]": ""})).json()
    assert (noted["description"], noted["metadata"]) == ("Late", {"b": "2"})
    twice = await money.post(path + "/confirm")
    assert "already succeeded" in error_of(twice)["message"]


async def test_lists_are_newest_first_and_by_customer_and_account(money: Money) -> None:
    customer = (await money.post("/v1/customers", email="a@example.com")).json()["id"]
    ids = [(await intent_of(money, customer=customer))["id"] for _ in range(3)]
    await intent_of(money)

    page = await money.get(INTENTS, customer=customer, limit=2)
    assert ([row["id"] for row in page["data"]], page["has_more"]) == ([ids[2], ids[1]], True)
    rest = await money.get(INTENTS, customer=customer, starting_after=ids[1])
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    back = await money.get(INTENTS, customer=customer, ending_before=ids[0], limit=1)
    assert ([row["id"] for row in back["data"]], back["has_more"]) == ([ids[1]], True)
    assert len((await money.get(INTENTS))["data"]) == 4
    stranger = money.apps[0].client("two")
    assert (await stranger.get(INTENTS)).json()["data"] == []
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("POST", "/confirm"),
        ("POST", "/capture"),
        ("POST", "/cancel"),
    ):
        answer = await stranger.request(method, f"{INTENTS}/{ids[0]}{path}")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "resource_missing")


async def test_a_card_is_kept_for_its_customer_or_good_for_one_payment(money: Money) -> None:
    customer = (await money.post("/v1/customers")).json()["id"]
    kept = await money.pay(customer=customer, setup_future_usage="off_session")
    again = await money.pay(customer=customer, payment_method=kept["payment_method"], off_session="true")
    assert again["status"] == "succeeded"
    stranger = await money.post(
        INTENTS, amount=1000, currency="usd", payment_method=kept["payment_method"], confirm="true"
    )
    assert error_of(stranger)["param"] == "payment_method"

    once = await money.pay()
    spent = await money.post(
        INTENTS, amount=1000, currency="usd", payment_method=once["payment_method"], confirm="true"
    )
    assert spent.status_code == 400


async def test_a_card_may_be_described_in_the_request(money: Money) -> None:
    described = {
        "payment_method_data[type]": "card",
        "payment_method_data[card][token]": "tok_mastercard",
        "payment_method_data[billing_details][name]": "Jo",
    }
    answer = await money.post(INTENTS, amount=1000, currency="usd", confirm="true", **described)
    assert answer.status_code == 200, answer.text
    paid = answer.json()
    charge = await money.get(f"/v1/charges/{paid['latest_charge']}")
    assert charge["payment_method_details"]["card"]["brand"] == "mastercard"
    assert charge["billing_details"]["name"] == "Jo"


async def test_what_an_answer_names_is_expanded_and_stored_so(money: Money) -> None:
    params: dict[str, Any] = {
        "expand[0]": "latest_charge.balance_transaction",
        "expand[1]": "payment_method",
        "key": "k",
    }
    paid = await money.pay(**params)

    assert paid["latest_charge"]["balance_transaction"]["object"] == "balance_transaction"
    assert paid["payment_method"]["object"] == "payment_method"
    assert await money.pay(**params) == paid


async def test_a_charge_takes_notes(money: Money) -> None:
    paid = await money.pay()
    path = f"/v1/charges/{paid['latest_charge']}"
    noted = (await money.post(path, description="Note", **{"metadata[a]": "1"})).json()

    assert (noted["description"], noted["metadata"]) == ("Note", {"a": "1"})
    assert await money.get(path) == noted
    assert (await money.events())[-1] == "charge.updated"
    answer = await money.api.get("/v1/charges", params={"payment_intent": "pi_none"})
    assert error_of(answer)["code"] == "resource_missing"
