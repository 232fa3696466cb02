"""How refunds end: failed, unknown for a while, left by a dead process, raced for."""

import asyncio

import pytest

from tests.integration.payments_money.money import Money
from tests.support.bank import ListeningBank
from tests.support.eventually import eventually
from tests.support.payments import error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_refund_that_the_bank_cannot_make_gives_its_reservation_back(money: Money) -> None:
    intent = await money.pay(1000, payment_method="pm_card_refundFail")
    refund = await money.refund(intent, amount=600)

    assert (refund["status"], refund["failure_reason"]) == ("failed", "expired_or_canceled_card")
    charge = await money.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    out = await money.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    back = await money.get(f"/v1/balance_transactions/{refund['failure_balance_transaction']}")
    assert [(out["type"], out["net"]), (back["type"], back["net"])] == [
        ("refund", -600),
        ("refund_failure", 600),
    ]
    assert (await money.events())[-2:] == ["refund.created", "refund.failed"]
    await money.prove()


async def test_a_refund_that_the_bank_refuses_outright_has_failed(money: Money, bank: ListeningBank) -> None:
    """Its book and ours disagree: the merchant gets the reservation back, the operator a log line."""
    intent = await money.pay(1000)
    book = bank.app.state.resources.db
    await book.execute("UPDATE charges SET refunded = 900 WHERE reference = $1", intent["id"])
    refund = await money.refund(intent, amount=200)
    assert (refund["status"], refund["failure_reason"]) == ("failed", "unknown")
    assert not (await money.proof())["bank_book_matches"]["ok"]

    await book.execute("UPDATE charges SET refunded = 0 WHERE reference = $1", intent["id"])
    assert (await money.refund(intent))["amount"] == 1000
    await money.prove()


@pytest.mark.parametrize("kind", ["error", "reset", "reply_lost", "outage"])
async def test_a_refund_whose_outcome_nobody_knows_is_pending_until_it_is_settled(
    money: Money, kind: str
) -> None:
    intent = await money.pay(1000)
    with money.bank.failing(kind):
        pending = await money.refund(intent, amount=600, key="once")
        assert (pending["status"], pending["pending_reason"]) == ("pending", "processing")
        assert pending["balance_transaction"] is None
        # What is pending is taken: nobody may hope that it fails.
        refused = await money.post("/v1/refunds", payment_intent=intent["id"], amount=401)
        assert error_of(refused)["param"] == "amount"
        proof = await money.proof()
        assert "refund unknown" in proof["operations_end"]["detail"]
    await money.settle()

    settled = await money.get(f"/v1/refunds/{pending['id']}")
    assert (settled["status"], settled["amount"]) == ("succeeded", 600)
    replay = await money.post("/v1/refunds", payment_intent=intent["id"], amount=600, key="once")
    assert replay.json()["status"] == "pending"
    assert (await money.events())[-4:] == [
        "refund.created",
        "refund.updated",
        "charge.refund.updated",
        "charge.refunded",
    ]
    await money.prove()


async def test_a_pending_refund_may_fail_in_the_end(money: Money) -> None:
    intent = await money.pay(1000, payment_method="pm_card_refundFail")
    with money.bank.failing("reply_lost"):
        pending = await money.refund(intent)
    assert pending["status"] == "pending"
    await money.settle()

    failed = await money.get(f"/v1/refunds/{pending['id']}")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    charge = await money.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    assert (await money.events())[-4:] == [
        "refund.created",
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]
    await money.prove()


async def test_a_refund_whose_process_died_is_finished_and_told_once(money: Money) -> None:
    intent = await money.pay(1000)
    params = {"payment_intent": intent["id"], "amount": 400, "key": "of-the-dead"}
    with money.bank.failing("hang", delay_ms=60_000):
        dying = asyncio.create_task(money.post("/v1/refunds", **params))
        called = "SELECT count(*) FROM bank_operations WHERE kind = 'refund' AND state = 'calling'"
        await eventually(lambda: money.apps[0].value(called))
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        in_flight = await money.post("/v1/refunds", **params)
        assert error_of(in_flight)["code"] == "idempotency_key_in_use"
    # Its lease runs out.
    await money.apps[0].pool.execute("UPDATE bank_operations SET due_at = created_at WHERE state <> 'done'")
    await money.settle()

    replay = await money.post("/v1/refunds", **params)
    assert (replay.status_code, replay.json()["status"]) == (200, "succeeded")
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert (await money.events())[-2:] == ["refund.created", "charge.refunded"]
    [booked] = await money.booked(intent)
    assert booked["refunded"] == 400
    await money.prove()


async def test_the_event_of_a_refund_tells_what_the_charge_was_before(money: Money) -> None:
    intent = await money.pay(1000)
    await money.refund(intent, amount=400)
    await money.refund(intent)
    page = await money.get("/v1/events", type="charge.refunded")

    last, first = (event["data"] for event in page["data"])
    assert first["previous_attributes"] == {"amount_refunded": 0}
    assert last["previous_attributes"] == {"amount_refunded": 400, "refunded": False}
    assert (last["object"]["object"], last["object"]["amount_refunded"]) == ("charge", 1000)


async def test_fifty_partial_refunds_at_two_apps_never_pass_what_was_captured(money: Money) -> None:
    intent = await money.pay(1000)

    async def refund(number: int) -> int:
        client = (money.api, money.other)[number % 2]
        answer = await client.post(
            "/v1/refunds",
            data={"payment_intent": intent["id"], "amount": 30},
            headers={"Idempotency-Key": f"part-{number}"},
        )
        if answer.status_code == 200:
            assert answer.json()["status"] == "succeeded"
            return 30
        assert error_of(answer)["param"] == "amount", answer.text
        return 0

    refunded = sum(await asyncio.gather(*(refund(number) for number in range(50))))

    assert refunded == 990
    charge = await money.get(f"/v1/charges/{intent['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (990, False)
    [booked] = await money.booked(intent)
    assert booked["refunded"] == 990
    await money.prove()


async def test_one_key_at_two_apps_refunds_once(money: Money) -> None:
    intent = await money.pay(1000)

    async def refund(number: int) -> int:
        client = (money.api, money.other)[number % 2]
        answer = await client.post(
            "/v1/refunds",
            data={"payment_intent": intent["id"], "amount": 10},
            headers={"Idempotency-Key": "the-one"},
        )
        return answer.status_code

    answers = await asyncio.gather(*(refund(number) for number in range(40)))

    assert set(answers) <= {200, 409}
    assert 200 in answers
    assert [one["amount"] for one in (await money.get("/v1/refunds"))["data"]] == [10]
    await money.prove()
