"""A card whose holder must prove who they are: the page, and what comes after it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.integration.payments_intents.paying import INTENTS, booked_of
from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "pm_card_authenticationRequired"
BACK = "https://shop.example/back?order=7"


async def waiting(money: Money, **more: Any) -> tuple[dict[str, Any], str]:
    """An intent that waits for its holder, and the path of the page."""
    intent = await money.pay(payment_method=CARD, **more)
    assert intent["status"] == "requires_action"
    assert intent["next_action"]["type"] == "redirect_to_url"
    return intent, urlsplit(intent["next_action"]["redirect_to_url"]["url"]).path


def stranger(money: Money) -> httpx.AsyncClient:
    return money.apps[1].client(None)


async def test_the_payment_goes_on_by_itself_when_the_holder_agrees(money: Money) -> None:
    intent, page = await waiting(money, return_url=BACK, description="<b>Shoes</b>")
    assert await booked_of(money, intent) == []
    browser = stranger(money)
    shown = await browser.get(page)
    assert shown.status_code == 200
    assert "&lt;b&gt;Shoes" in shown.text
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]

    done = await browser.post(page, data={"outcome": "succeed"})
    assert done.status_code == 303
    where = urlsplit(done.headers["Location"])
    assert parse_qs(where.query) == {
        "order": ["7"],
        "payment_intent": [intent["id"]],
        "payment_intent_client_secret": [intent["client_secret"]],
        "redirect_status": ["succeeded"],
    }
    paid = await money.get(f"{INTENTS}/{intent['id']}", **{"expand[]": "latest_charge"})
    assert (paid["status"], paid["next_action"]) == ("succeeded", None)
    assert (
        paid["latest_charge"]["payment_method_details"]["card"]["three_d_secure"]["result"] == "authenticated"
    )
    assert (await browser.get(page)).status_code == 404
    assert (await browser.post(page, data={"outcome": "succeed"})).status_code == 404
    assert len(await booked_of(money, intent)) == 1
    assert "payment_intent.requires_action" in await money.events()
    await money.prove()


async def test_a_holder_who_fails_leaves_the_intent_without_a_card(money: Money) -> None:
    intent, page = await waiting(money)
    browser = stranger(money)
    assert (await browser.post(page, data={"outcome": "perhaps"})).status_code == 400
    assert (await browser.post(page, data={"outcome": "fail"})).status_code == 200

    failed = await money.get(f"{INTENTS}/{intent['id']}")
    assert (failed["status"], failed["payment_method"]) == ("requires_payment_method", None)
    assert failed["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert failed["last_payment_error"]["type"] == "invalid_request_error"
    assert (await money.events())[-1] == "payment_intent.payment_failed"
    assert (await browser.get(page)).status_code == 404


@pytest.mark.parametrize("absent", [{"off_session": "true"}, {"error_on_requires_action": "true"}])
async def test_where_nobody_can_be_asked_it_is_a_decline(money: Money, absent: dict[str, str]) -> None:
    answer = await money.post(
        INTENTS, amount=1000, currency="usd", payment_method=CARD, confirm="true", **absent
    )

    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (402, "authentication_required")
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert (await money.get(f"/v1/charges/{error['charge']}"))["status"] == "failed"


async def test_with_manual_confirmation_the_caller_confirms_again(money: Money) -> None:
    intent, page = await waiting(money, confirmation_method="manual")
    await stranger(money).post(page, data={"outcome": "succeed"})
    agreed = await money.get(f"{INTENTS}/{intent['id']}")
    assert (agreed["status"], agreed["next_action"]) == ("requires_confirmation", None)

    paid = await money.post(f"{INTENTS}/{intent['id']}/confirm")
    assert paid.json()["status"] == "succeeded"


async def test_a_canceled_or_changed_intent_has_no_page(money: Money) -> None:
    intent, page = await waiting(money)
    changed = await money.post(f"{INTENTS}/{intent['id']}", amount=9000)
    assert changed.json()["status"] == "requires_confirmation"
    assert (await stranger(money).get(page)).status_code == 404
    again = (await money.post(f"{INTENTS}/{intent['id']}/confirm")).json()
    assert again["status"] == "requires_action"
    gone = await money.post(f"{INTENTS}/{intent['id']}/cancel")
    assert (gone.json()["status"], gone.json()["next_action"]) == ("canceled", None)


async def test_the_holder_may_agree_to_a_hold(money: Money) -> None:
    intent, page = await waiting(money, capture_method="manual")
    await stranger(money).post(page, data={"outcome": "succeed"})

    assert (await money.get(f"{INTENTS}/{intent['id']}"))["status"] == "requires_capture"
