"""Customers: what is kept of them, how they change and end, and how they are listed."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.payments_customers.wire import Replicas, attached, customer, listed, made, post, told
from tests.support.payments import Served, error_of, moved_clock

FULL = {
    "email": "jenny@example.com",
    "name": "Jenny Rosen",
    "description": "First",
    "phone": "+15555550100",
    "address[line1]": "1 Main St",
    "address[city]": "Springfield",
    "address[country]": "US",
    "shipping[name]": "J. Rosen",
    "shipping[address][line1]": "2 Side St",
    "metadata[order]": "6735",
    "preferred_locales[]": "en",
    "tax_exempt": "exempt",
    "balance": "-250",
    "invoice_prefix": "JENNY1",
    "invoice_settings[footer]": "Thank you",
    "next_invoice_sequence": "7",
}


async def test_what_was_given_is_shown(api: httpx.AsyncClient) -> None:
    created = await made(api, "/v1/customers", **FULL)

    assert created["id"].startswith("cus_")
    assert created["address"]["line1"] == "1 Main St"
    assert created["address"]["state"] is None
    assert created["shipping"]["address"]["line1"] == "2 Side St"
    assert (created["balance"], created["tax_exempt"], created["next_invoice_sequence"]) == (
        -250,
        "exempt",
        7,
    )
    assert (created["invoice_prefix"], created["preferred_locales"]) == ("JENNY1", ["en"])
    assert (created["metadata"], created["livemode"]) == ({"order": "6735"}, False)
    assert (await api.get(f"/v1/customers/{created['id']}")).json() == created
    assert (await told(api, "customer.created"))[0]["object"] == created


async def test_a_customer_with_an_expansion_or_without_a_key_is_created_alike(api: httpx.AsyncClient) -> None:
    answer = await post(api, "/v1/customers", "k", name="A", **{"expand[]": "default_source"})
    assert answer.json()["name"] == "A"
    assert (await made(api, "/v1/customers", name="A"))["name"] == "A"
    assert len(await told(api, "customer.created")) == 2


async def test_an_update_changes_what_it_names(api: httpx.AsyncClient) -> None:
    created = await made(api, "/v1/customers", **FULL)
    path = f"/v1/customers/{created['id']}"
    updated = await made(api, path, name="J", phone="", **{"metadata[order]": "", "metadata[new]": "1"})

    assert (updated["name"], updated["phone"], updated["metadata"]) == ("J", None, {"new": "1"})
    untouched = {key: value for key, value in created.items() if key not in {"name", "phone", "metadata"}}
    assert updated.items() >= untouched.items()
    change = (await told(api, "customer.updated"))[0]
    assert change["object"] == updated
    assert change["previous_attributes"] == {
        "metadata": {"order": "6735", "new": None},
        "name": "Jenny Rosen",
        "phone": "+15555550100",
    }


async def test_an_update_that_changes_nothing_tells_nothing(api: httpx.AsyncClient) -> None:
    created = await made(api, "/v1/customers", **FULL)
    assert await made(api, f"/v1/customers/{created['id']}", name="Jenny Rosen") == created
    assert await told(api, "customer.updated") == []


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"email": "no address"}, "email", "email_invalid"),
        ({"email": "x" * 600 + "@example.com"}, "email", None),
        ({"tax_exempt": "perhaps"}, "tax_exempt", None),
        ({"balance": "1.5"}, "balance", "parameter_invalid_integer"),
        ({"shipping[name]": "A"}, "shipping[address]", "parameter_missing"),
        ({"address[planet]": "Mars"}, "address[planet]", "parameter_unknown"),
        ({"invoice_prefix": "lower"}, "invoice_prefix", None),
        ({"naem": "A"}, "naem", "parameter_unknown"),
        ({"payment_method": "pm_nobody"}, "payment_method", "resource_missing"),
        ({"source": "tok_nobody"}, "source", "resource_missing"),
        (
            {"invoice_settings[default_payment_method]": "pm_nobody"},
            "invoice_settings[default_payment_method]",
            "resource_missing",
        ),
    ],
)
async def test_what_cannot_be_is_refused_and_leaves_nothing(
    api: httpx.AsyncClient, params: dict[str, str], param: str, code: str | None
) -> None:
    answer = await post(api, "/v1/customers", "k", **params)
    error = error_of(answer)
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"], error.get("code")) == (param, code)
    assert await listed(api, "/v1/customers") == []
    assert (await post(api, "/v1/customers", "k", name="A")).status_code == 200


async def test_a_customer_comes_with_a_card(api: httpx.AsyncClient) -> None:
    default = "invoice_settings[default_payment_method]"
    created = await made(
        api, "/v1/customers", payment_method="pm_card_visa", source="tok_amex", **{default: "pm_card_visa"}
    )
    cards = (await api.get(f"/v1/customers/{created['id']}/payment_methods")).json()["data"]

    assert {card["card"]["brand"] for card in cards} == {"visa", "amex"}
    by_id = {card["id"]: card["card"]["brand"] for card in cards}
    assert by_id[created["invoice_settings"]["default_payment_method"]] == "visa"
    assert by_id[created["default_source"]] == "amex"
    assert created["default_source"].startswith("card_")


async def test_a_declined_card_leaves_no_customer(api: httpx.AsyncClient) -> None:
    answer = await post(api, "/v1/customers", "k", payment_method="pm_card_chargeDeclined")
    assert (answer.status_code, error_of(answer)["decline_code"]) == (402, "generic_decline")
    assert await listed(api, "/v1/customers") == []
    again = await post(api, "/v1/customers", "k", payment_method="pm_card_chargeDeclined")
    assert (again.status_code, again.content) == (402, answer.content)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_the_default_must_be_the_customers_own(api: httpx.AsyncClient) -> None:
    mine, yours = await customer(api), await customer(api)
    card, not_mine = await attached(api, mine), await attached(api, yours)
    default = "invoice_settings[default_payment_method]"

    updated = await made(api, f"/v1/customers/{mine}", **{default: card})
    assert updated["invoice_settings"]["default_payment_method"] == card
    refused = await post(api, f"/v1/customers/{mine}", **{default: not_mine})
    assert (refused.status_code, error_of(refused)["param"]) == (400, default)
    assert (await made(api, f"/v1/customers/{mine}", **{default: ""}))["invoice_settings"][
        "default_payment_method"
    ] is None


async def test_a_deleted_customer_is_only_remembered(api: httpx.AsyncClient, served: Served) -> None:
    gone = await customer(api, **FULL)
    card = await attached(api, gone)
    path = f"/v1/customers/{gone}"
    tombstone = {"id": gone, "object": "customer", "deleted": True}

    assert (await api.delete(path)).json() == tombstone
    assert (await api.get(path)).json() == tombstone
    for answer in (
        await post(api, path, name="B"),
        await api.delete(path),
        await api.get(f"{path}/payment_methods"),
    ):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "resource_missing")
    assert error_of(await post(api, "/v1/payment_methods/pm_card_visa/attach", customer=gone))["param"] == (
        "customer"
    )
    assert await listed(api, "/v1/customers") == []
    assert (await api.get(f"/v1/payment_methods/{card}")).json()["customer"] is None
    assert (await told(api, "customer.deleted"))[0]["object"]["id"] == gone
    assert (await told(api, "payment_method.detached"))[0]["previous_attributes"] == {"customer": gone}
    assert await served.value("SELECT count(*) FROM customers") == 0


async def test_lists_are_newest_first_and_page_both_ways(api: httpx.AsyncClient) -> None:
    ids = [await customer(api, email=f"{n % 2}@example.com") for n in range(5)][::-1]

    assert await listed(api, "/v1/customers") == ids
    assert await listed(api, "/v1/customers", limit=2) == ids[:2]
    assert await listed(api, "/v1/customers", limit=2, starting_after=ids[1]) == ids[2:4]
    assert await listed(api, "/v1/customers", limit=2, ending_before=ids[3]) == ids[1:3]
    assert await listed(api, "/v1/customers", email="0@example.com") == ids[::2]
    assert await listed(api, "/v1/customers", email="0@example.com", limit=1, starting_after=ids[0]) == [
        ids[2]
    ]
    assert await listed(api, "/v1/customers", email="0@example.com", ending_before=ids[4]) == [ids[0], ids[2]]
    last = (await api.get("/v1/customers", params={"starting_after": ids[2]})).json()
    assert (last["url"], last["has_more"]) == ("/v1/customers", False)


async def test_lists_are_narrowed_by_time(api: httpx.AsyncClient, clock: Path) -> None:
    old = await customer(api)
    moved_clock(clock, 3600.0)
    new = await customer(api)
    at = (await api.get(f"/v1/customers/{old}")).json()["created"]

    assert await listed(api, "/v1/customers", **{"created[gt]": at}) == [new]
    assert await listed(api, "/v1/customers", **{"created[lte]": at}) == [old]
    assert await listed(api, "/v1/customers", created=at) == [old]


async def test_a_page_begins_only_at_a_customer_of_ones_own(
    api: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    theirs = await customer(other)
    for param in ("starting_after", "ending_before"):
        for cursor in (theirs, "cus_nobody"):
            answer = await api.get("/v1/customers", params={param: cursor})
            assert (answer.status_code, error_of(answer)["param"]) == (400, param)


async def test_a_key_creates_one_customer_whatever_the_race(
    api: httpx.AsyncClient, replicas: Replicas, served: Served
) -> None:
    answers = await asyncio.gather(
        *(post(next(replicas), "/v1/customers", "same", name="A") for _ in range(40))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert await served.value("SELECT count(*) FROM customers") == 1
    assert await served.value("SELECT count(*) FROM events") == 1
    again = await post(api, "/v1/customers", "same", name="A")
    assert again.json()["id"] == await served.value("SELECT id FROM customers")
    mismatch = await post(api, "/v1/customers", "same", name="B")
    assert (mismatch.status_code, error_of(mismatch)["type"]) == (400, "idempotency_error")


async def test_a_create_is_one_statement(api: httpx.AsyncClient, served: Served) -> None:
    """The key, the customer, its event and the stored answer: no transaction, one round trip (ADR-0008)."""
    await customer(api)  # the account's key is known from here on
    statements: list[str] = []

    def note(query: Any) -> None:
        statements.append(query.query)

    async with served.pool.acquire() as conn:
        conn.add_query_logger(note)
        held = [await served.pool.acquire() for _ in range(served.pool.get_max_size() - 1)]
        try:
            await served.pool.release(conn)
            assert (await post(api, "/v1/customers", "k", name="A")).status_code == 200
        finally:
            for one in held:
                await served.pool.release(one)
    assert [statement.split()[0] for statement in statements] == ["WITH"]


async def test_updates_that_race_lose_no_change(api: httpx.AsyncClient, replicas: Replicas) -> None:
    path = f"/v1/customers/{await customer(api)}"
    await asyncio.gather(*(post(next(replicas), path, **{f"metadata[k{n}]": str(n)}) for n in range(10)))
    assert (await api.get(path)).json()["metadata"] == {f"k{n}": str(n) for n in range(10)}
    assert len(await told(api, "customer.updated")) == 10
