"""Money moves once a key, and never further than it was authorised."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.integration.bank.served import Served, new_key


async def test_a_charge_is_captured_at_once_unless_asked_otherwise(bank: Served) -> None:
    taken = await bank.charge()
    held = await bank.charge(capture=False)
    assert (taken["status"], taken["captured"]) == ("captured", 1_000)
    assert (held["status"], held["captured"]) == ("authorised", 0)


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("bank_declined", "generic_decline"),
        ("bank_insufficient_funds", "insufficient_funds"),
        ("bank_auth_required", "authentication_required"),
    ],
)
async def test_a_decline_is_an_answer(bank: Served, card: str, code: str) -> None:
    declined = await bank.charge(card=card)
    assert (declined["status"], declined["decline_code"], declined["captured"]) == ("declined", code, 0)


async def test_a_card_that_wants_its_holder_is_charged_once_the_holder_agreed(bank: Served) -> None:
    assert (await bank.charge(card="bank_auth_required", authenticated=True))["status"] == "captured"


async def test_part_of_an_authorisation_can_be_captured_and_once_only(bank: Served) -> None:
    held = await bank.charge(capture=False)
    too_much = await bank.act(held, "capture", {"amount": 1_001})
    part = await bank.act(held, "capture", {"amount": 400})
    again = await bank.act(held, "capture", {"amount": 1})
    assert (too_much.status_code, too_much.json()["code"]) == (409, "amount_too_large")
    assert (part.status_code, part.json()["captured"]) == (200, 400)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")


async def test_a_voided_authorisation_cannot_be_captured(bank: Served) -> None:
    held = await bank.charge(capture=False)
    assert (await bank.act(held, "void", {})).json()["status"] == "voided"
    assert (await bank.act(held, "capture", {"amount": 1})).json()["code"] == "wrong_state"


async def test_refunds_add_up_to_what_was_captured_at_most(bank: Served) -> None:
    taken = await bank.charge()
    first = await bank.act(taken, "refunds", {"amount": 700, "reference": "re_1"})
    second = await bank.act(taken, "refunds", {"amount": 301})
    assert (first.status_code, first.json()["status"]) == (201, "succeeded")
    assert (second.status_code, second.json()["available"]) == (409, 300)
    assert (await bank.now(taken))["refunded"] == 700


async def test_a_refund_that_fails_moves_nothing(bank: Served) -> None:
    taken = await bank.charge(card="bank_refund_fails")
    failed = (await bank.act(taken, "refunds", {"amount": 700})).json()
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert (await bank.now(taken))["refunded"] == 0


async def test_a_repeat_gets_the_same_bytes_and_says_so(bank: Served) -> None:
    first = await bank.authorise("k1", capture=False)
    await bank.act(first.json(), "capture", {"amount": 500}, "k2")
    refund = await bank.act(first.json(), "refunds", {"amount": 500}, "k3")
    repeats = [
        (first, await bank.authorise("k1", capture=False)),
        (refund, await bank.act(first.json(), "refunds", {"amount": 500}, "k3")),
    ]
    for answer, repeat in repeats:
        assert repeat.content == answer.content
        assert repeat.status_code == answer.status_code
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in answer.headers
    assert (await bank.now(first.json()))["refunded"] == 500


async def test_a_key_belongs_to_one_request(bank: Served) -> None:
    taken = (await bank.authorise("k1")).json()
    others = [
        await bank.authorise("k1", amount=2),
        await bank.act(taken, "refunds", {"amount": 1}, "k1"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in others] == [
        (422, "idempotency_mismatch")
    ] * 2


async def test_a_refusal_leaves_the_key_free(bank: Served) -> None:
    held = await bank.charge(capture=False)
    early = await bank.act(held, "refunds", {"amount": 1}, "k1")
    await bank.act(held, "capture", {"amount": 10})
    late = await bank.act(held, "refunds", {"amount": 1}, "k1")
    assert (early.status_code, late.status_code) == (409, 201)


async def test_one_key_sent_at_once_a_hundred_times_is_one_charge(bank: Served) -> None:
    answers = await asyncio.gather(*(bank.authorise("k1") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    book = (await bank.operator.get("/admin/book")).json()
    assert [charge["idempotency_key"] for charge in book["charges"]] == ["k1"]


async def test_one_refund_key_sent_at_once_is_one_refund(bank: Served) -> None:
    taken = await bank.charge()
    answers = await asyncio.gather(*(bank.act(taken, "refunds", {"amount": 10}, "k1") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await bank.now(taken))["refunded"] == 10


async def test_refunds_at_once_never_exceed_the_capture(bank: Served) -> None:
    taken = await bank.charge()
    answers = await asyncio.gather(*(bank.act(taken, "refunds", {"amount": 30}) for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 33, 409: 17}
    assert (await bank.now(taken))["refunded"] == 990


async def test_capture_and_void_at_once_have_one_winner(bank: Served) -> None:
    for _ in range(10):
        held = await bank.charge(capture=False)
        answers = await asyncio.gather(
            bank.act(held, "capture", {"amount": 1_000}), bank.act(held, "void", {})
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        winner = next(answer for answer in answers if answer.status_code == 200)
        assert (await bank.now(held))["status"] == winner.json()["status"]


async def test_a_charge_is_found_by_id_and_by_key(bank: Served) -> None:
    made = (await bank.authorise("k1")).json()
    by_key = await bank.merchant.get("/v1/charges", params={"idempotency_key": "k1"})
    nobody = await bank.merchant.get("/v1/charges", params={"idempotency_key": "k2"})
    assert by_key.json() == await bank.now(made) == made
    assert (nobody.status_code, nobody.json()["code"]) == (404, "charge_not_found")


async def test_the_book_is_read_in_pages_oldest_first(bank: Served) -> None:
    made = [await bank.charge(amount=amount) for amount in range(1, 8)]
    read: list[dict[str, Any]] = []
    has_more = True
    while has_more:
        after = {"starting_after": read[-1]["id"]} if read else {}
        page = (await bank.operator.get("/admin/book", params={"limit": 3, **after})).json()
        read, has_more = read + page["charges"], page["has_more"]
    assert sorted(read, key=lambda charge: charge["amount"]) == made
    assert [charge["id"] for charge in read] == sorted(charge["id"] for charge in made)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 0},
        {"amount": "10"},
        {"amount": True},
        {"amount": 1.5},
        {"currency": "EUR"},
        {"card": "4242424242424242"},
        {"capture": "yes"},
        {"reference": "x" * 256},
        {"unknown": 1},
    ],
)
async def test_what_is_not_valid_is_a_problem_and_no_charge(bank: Served, changed: dict[str, Any]) -> None:
    answer = await bank.authorise("k1", **changed)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await bank.operator.get("/admin/book")).json() == {"charges": [], "has_more": False}
    assert (await bank.authorise("k1")).status_code == 201


async def test_an_effect_needs_one_sound_key(bank: Served) -> None:
    order = {"amount": 1, "currency": "eur", "card": "bank_visa"}
    none = await bank.merchant.post("/v1/charges", json=order)
    long = await bank.merchant.post("/v1/charges", json=order, headers={"Idempotency-Key": "k" * 256})
    two = await bank.merchant.post(
        "/v1/charges", json=order, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    )
    assert none.json()["code"] == "idempotency_key_required"
    assert [answer.json()["code"] for answer in (long, two)] == ["idempotency_key_invalid"] * 2


async def test_each_key_opens_its_own_doors_only(bank: Served) -> None:
    order = {"amount": 1, "currency": "eur", "card": "bank_visa"}
    refused = [
        await bank.operator.post("/v1/charges", json=order, headers=new_key()),
        await bank.merchant.post("/v1/charges", json=order, headers={"Authorization": "Basic x"}),
        await bank.merchant.get("/v1/charges/bch_1", headers={"Authorization": "Bearer nobody"}),
    ]
    assert [answer.status_code for answer in refused] == [401] * 3
    assert (await bank.merchant.get("/admin/book")).status_code == 403
    assert (await bank.merchant.post("/admin/faults", json={"kind": "error"})).status_code == 403
