"""Outcomes that nobody knows: the intent says `processing`, and the reconciler finds out."""

from typing import Any

import pytest
from payments.usecases import money_metrics, reconcile

from tests.integration.payments_intents.paying import INTENTS, booked_of, intent_of, status_of
from tests.integration.payments_money.money import Money
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("hang", {"delay_ms": 3000}),
    ("error", {}),
    ("reset", {}),
    ("reply_lost", {}),
    ("outage", {}),
]


@pytest.mark.parametrize(("kind", "how"), FAULTS)
async def test_a_confirm_nobody_answers_is_processing_until_the_bank_is_back(
    money: Money, kind: str, how: dict[str, Any]
) -> None:
    made = await intent_of(money, payment_method="pm_card_visa")
    path = f"{INTENTS}/{made['id']}"
    with money.bank.failing(kind, **how):
        answer = await money.post(path + "/confirm", key="first")
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert answer.json()["next_action"] is None
        for action in ("confirm", "capture", "cancel"):
            refused = await money.post(f"{path}/{action}")
            assert error_of(refused)["code"] == "payment_intent_unexpected_state"
            assert error_of(refused)["payment_intent"]["status"] == "processing"
        await reconcile.measure(money.apps[0].res)
        assert money_metrics.UNKNOWN.labels("authorise")._value.get() == 1
    await money.settle()

    assert await status_of(money, made) == "succeeded"
    [booked] = await booked_of(money, made)
    assert (booked["status"], booked["captured"]) == ("captured", 2000)
    replay = await money.post(path + "/confirm", key="first")
    assert replay.json()["status"] == "processing"
    assert await money.events() == [
        "payment_intent.created",
        "payment_intent.processing",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    await reconcile.measure(money.apps[0].res)
    assert money_metrics.UNKNOWN.labels("authorise")._value.get() == 0
    await money.prove()


async def test_a_decline_that_nobody_heard_is_found_out_too(money: Money) -> None:
    made = await intent_of(money, payment_method="pm_card_chargeDeclined")
    with money.bank.failing("reply_lost"):
        answer = await money.post(f"{INTENTS}/{made['id']}/confirm")
        assert answer.json()["status"] == "processing"
    await money.settle()

    intent = await money.get(f"{INTENTS}/{made['id']}")
    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert (await money.events())[-2:] == ["charge.failed", "payment_intent.payment_failed"]


@pytest.mark.parametrize("kind", ["error", "reply_lost"])
async def test_a_capture_nobody_answers_ends_in_one_capture(money: Money, kind: str) -> None:
    held = await money.pay(5000, capture_method="manual")
    path = f"{INTENTS}/{held['id']}"
    with money.bank.failing(kind):
        answer = await money.post(path + "/capture", amount_to_capture=3000)
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert (await money.post(path + "/cancel")).status_code == 400
    await money.settle()

    intent = await money.get(path)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 3000)
    [booked] = await booked_of(money, held)
    assert (booked["status"], booked["captured"]) == ("captured", 3000)
    await money.prove()


@pytest.mark.parametrize("kind", ["error", "reply_lost"])
async def test_a_cancel_nobody_answers_ends_in_a_void(money: Money, kind: str) -> None:
    held = await money.pay(5000, capture_method="manual")
    path = f"{INTENTS}/{held['id']}"
    with money.bank.failing(kind):
        answer = await money.post(path + "/cancel", cancellation_reason="abandoned")
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert (await money.post(path + "/capture")).status_code == 400
    await money.settle()

    intent = await money.get(path)
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned")
    [booked] = await booked_of(money, held)
    assert booked["status"] == "voided"
    await money.prove()


@pytest.mark.parametrize("action", ["capture", "cancel"])
async def test_what_the_bank_will_not_do_leaves_the_money_held(money: Money, action: str) -> None:
    held = await money.pay(5000, capture_method="manual")
    path = f"{INTENTS}/{held['id']}"
    with money.bank.failing("decline"):
        refused = await money.post(f"{path}/{action}")
    assert refused.status_code == 402
    assert error_of(refused)["payment_intent"]["status"] == "requires_capture"

    assert (await money.post(f"{path}/{action}")).status_code == 200
    await money.prove()


@pytest.mark.parametrize("name", ["Slow", "Error", "Reset", "ReplyLost"])
async def test_a_fault_that_passes_is_met_by_the_one_retry(money: Money, name: str) -> None:
    paid = await money.pay(payment_method=f"pm_card_bank{name}")
    if paid["status"] == "processing":
        await money.settle()  # too slow for the time of a test's call

    assert await status_of(money, paid) == "succeeded"
    assert len(await booked_of(money, paid)) == 1


async def test_an_open_breaker_refuses_before_anything_began(
    money: Money, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await intent_of(money, payment_method="pm_card_visa")
    held = await money.pay(5000, capture_method="manual")
    paid = await money.pay(key="earlier")
    breaker = money.apps[0].res.bank._breaker
    with monkeypatch.context() as patch:
        patch.setattr(type(breaker), "allow", lambda _: False)
        refused = await money.post(f"{INTENTS}/{made['id']}/confirm", key="k")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        assert (await money.post(f"{INTENTS}/{held['id']}/capture", key="c")).status_code == 503
        # What needs no bank goes on: answers that are known, and moves that are ours alone.
        assert await money.pay(key="earlier") == paid
        other = await intent_of(money)
        assert (await money.post(f"{INTENTS}/{other['id']}/cancel")).status_code == 200

    assert await status_of(money, made) == "requires_confirmation"
    assert (await money.post(f"{INTENTS}/{made['id']}/confirm", key="k")).json()["status"] == "succeeded"
    assert (await money.post(f"{INTENTS}/{held['id']}/capture", key="c")).json()["status"] == "succeeded"
