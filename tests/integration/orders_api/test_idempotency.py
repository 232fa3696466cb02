"""Idempotency-Key: one order and one answer, whoever repeats it, in one process and over several."""

import asyncio
from collections import Counter

import httpx
import pytest
from orders.settings import OrdersSettings

from tests.support.orders import ORDER, Served, dying_at, list_product, place, send_order, serving


async def test_a_repeat_gets_the_first_answer_byte_for_byte(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    first = await send_order(api, "k1")
    from_memory = await send_order(api, "k1")
    await served.value("UPDATE products SET unit_price = 1, currency = 'eur'")
    await served.value("UPDATE orders SET version = 2, step = 'stock_reserved'")
    served.forget_answers()
    from_table = await send_order(api, "k1")

    assert "idempotent-replayed" not in first.headers
    for repeat in (from_memory, from_table):
        assert (repeat.status_code, repeat.content) == (202, first.content)
        assert repeat.headers["idempotent-replayed"] == "true"
        assert repeat.headers["location"] == first.headers["location"]
    assert await served.value("SELECT count(*) FROM orders") == 1
    assert await served.value("SELECT count(*) FROM outbox") == 2


async def test_the_spelling_of_a_body_does_not_make_another_request(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    headers = {"Idempotency-Key": "spelled", "Content-Type": "application/json"}
    bodies = (
        b'{"customer_id":"c","currency":"usd","payment_method":"pm","lines":[{"sku":"mug","quantity":1}]}',
        b"""
        {"lines": [{"quantity": 1, "sku": "mug"}], "email": null, "payment_method": "pm",
         "currency": "USD", "customer_id": "\\u0063"}
        """,
    )
    first, again = [await api.post("/v1/orders", content=body, headers=headers) for body in bodies]

    assert (again.status_code, again.content) == (202, first.content)


async def test_the_same_key_with_another_body_is_refused(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    await send_order(api, "k2")
    for _ in range(2):
        answer = await send_order(api, "k2", customer_id="somebody-else")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        served.forget_answers()
    assert await served.value("SELECT count(*) FROM orders") == 1


async def test_keys_of_two_tenants_are_two_keys(served: Served) -> None:
    for tenant in ("one", "two"):
        await list_product(served, tenant=tenant)

    assert (await place(served.client("one"), "k"))["id"] != (await place(served.client("two"), "k"))["id"]


async def test_an_order_without_a_key_is_refused(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    answer = await api.post("/v1/orders", json=ORDER)

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_a_key_that_is_none_is_refused(api: httpx.AsyncClient) -> None:
    for keys in (["é"], [""], [" "], ["x" * 256], ["tab\there"], ["a", "b"]):
        headers = [(b"Idempotency-Key", key.encode()) for key in keys]
        answer = await api.post("/v1/orders", json=ORDER, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid"), keys


async def test_the_same_key_at_once_over_three_processes_makes_one_order(settings: OrdersSettings) -> None:
    async with serving(settings) as a, serving(settings) as b, serving(settings) as c:
        await list_product(a)
        clients = [process.client() for process in (a, b, c)]
        answers = await asyncio.gather(*(send_order(clients[n % 3], "one-key") for n in range(150)))

        assert await a.value("SELECT count(*) FROM orders") == 1
        assert await a.value("SELECT count(*) FROM outbox") == 2
        counts = Counter(answer.status_code for answer in answers)
        assert set(counts) <= {202, 409}
        assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
        assert {x.json()["code"] for x in answers if x.status_code == 409} <= {"idempotency_in_flight"}
        # Whoever was told to wait gets the order in the end.
        assert (await send_order(clients[1], "one-key")).status_code == 202


async def test_two_bodies_under_one_key_at_once_make_one_order(settings: OrdersSettings) -> None:
    async with serving(settings) as a, serving(settings) as b:
        await list_product(a)
        answers = await asyncio.gather(
            *(send_order((a, b)[n % 2].client(), "k", customer_id=f"c{n % 2}") for n in range(20))
        )

        assert await a.value("SELECT count(*) FROM orders") == 1
        assert {answer.status_code for answer in answers} <= {202, 409, 422}
        assert len({answer.content for answer in answers if answer.status_code == 202}) == 1


@pytest.mark.parametrize("table", ["order_timeline", "sagas", "outbox"])
async def test_a_process_that_dies_before_its_commit_leaves_nothing_behind(
    served: Served, api: httpx.AsyncClient, table: str
) -> None:
    await list_product(served)
    await api.get("/v1/orders")  # the tenant's key is known from here on
    answer = await dying_at(served, table, send_order(api, "k"))

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert await served.value("SELECT count(*) FROM orders") == 0
    assert await served.value("SELECT count(*) FROM outbox") == 0
    # The client repeats its request and has its order.
    assert (await send_order(api, "k")).status_code == 202
