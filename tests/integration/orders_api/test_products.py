"""Products: one half is ours, one inventory's, and every way in which a request dies between them heals."""

import asyncio
from typing import Any

import httpx
import pytest
from orders.settings import OrdersSettings

from tests.support.eventually import eventually
from tests.support.orders import NOWHERE, PRODUCT, Served, Shelf, dying_at, put_product, serving


@pytest.fixture
async def api(shop: Served) -> httpx.AsyncClient:
    return shop.client()


async def receive(client: httpx.AsyncClient, sku: str, quantity: Any, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(f"/v1/products/{sku}/receipts", json={"quantity": quantity}, headers=headers)


async def test_a_product_is_created_changed_and_looked_at(api: httpx.AsyncClient, inventory: Shelf) -> None:
    made = await put_product(api, "mug", stock=50)
    assert made.items() >= {**PRODUCT, "sku": "mug"}.items()
    assert (made["available"], made["reserved"], made["sold"], made["stock"]) == (50, 0, 0, 50)
    assert (await api.get("/v1/products/mug")).json() == made

    await inventory.reserve("mug", 20)
    changed = await put_product(api, "mug", name="Bluer mug", unit_price=1_300, stock=30)
    assert (changed["name"], changed["unit_price"]) == ("Bluer mug", 1_300)
    assert (changed["available"], changed["reserved"], changed["stock"]) == (10, 20, 30)
    assert changed["created_at"] == made["created_at"]
    assert changed["updated_at"] > made["updated_at"]


async def test_the_stock_never_falls_below_what_is_reserved(api: httpx.AsyncClient, inventory: Shelf) -> None:
    made = await put_product(api, "mug", stock=50)
    await inventory.reserve("mug", 20)
    answer = await api.put("/v1/products/mug", json={**PRODUCT, "name": "Other", "stock": 19})

    assert (answer.status_code, answer.json()["code"]) == (409, "stock_below_reserved")
    seen = (await api.get("/v1/products/mug")).json()
    assert (seen["name"], seen["stock"]) == (made["name"], 50)


async def test_receipts_add_once_a_key(api: httpx.AsyncClient) -> None:
    await put_product(api, "mug", stock=5)
    first = await receive(api, "mug", 20, "r1")
    repeat = await receive(api, "mug", 20, "r1")
    other = await receive(api, "mug", 21, "r1")
    second = await receive(api, "mug", 20, "r2")

    assert (first.status_code, first.json()["available"]) == (200, 25)
    assert (repeat.status_code, repeat.json()) == (200, first.json())
    assert "idempotent-replayed" not in first.headers
    assert repeat.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert second.json()["stock"] == 45


async def test_the_same_receipt_at_once_over_two_processes_adds_once(
    settings: OrdersSettings, inventory: Shelf
) -> None:
    near = settings.model_copy(update={"inventory_url": inventory.url})
    async with serving(near) as a, serving(near) as b:
        await put_product(a.client(), "mug", stock=0)
        answers = await asyncio.gather(
            *(receive((a, b)[n % 2].client(), "mug", 7, "at-once") for n in range(20))
        )
        seen = (await a.client().get("/v1/products/mug")).json()

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {x.json()["code"] for x in answers if x.status_code == 409} <= {"idempotency_in_flight"}
    assert seen["stock"] == 7


async def test_a_receipt_for_what_is_no_product_is_not_found(api: httpx.AsyncClient) -> None:
    for sku in ("ghost", "gh ost", "ü", "x" * 65):
        answer = await receive(api, sku, 1, "r")
        assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found"), sku
        answer = await api.get(f"/v1/products/{sku}")
        assert (answer.status_code, answer.json()["code"]) == (404, "product_not_found"), sku


async def test_receipts_need_a_key_and_a_quantity(api: httpx.AsyncClient) -> None:
    await put_product(api)
    missing = await receive(api, "mug", 1, None)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
    for quantity in (0, -1, True, 1.5, "1", None, 10**7, 10**40):
        answer = await receive(api, "mug", quantity, "r")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), quantity
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/quantity"]


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "/body/name"),
    ({"name": "a\x00"}, "/body/name"),
    ({"name": "x" * 201}, "/body/name"),
    ({"unit_price": 0}, "/body/unit_price"),
    ({"unit_price": -5}, "/body/unit_price"),
    ({"unit_price": True}, "/body/unit_price"),
    ({"unit_price": 12.5}, "/body/unit_price"),
    ({"unit_price": "12"}, "/body/unit_price"),
    ({"unit_price": 100_000_000}, "/body/unit_price"),
    ({"currency": "dollar"}, "/body/currency"),
    ({"currency": "zzz"}, "/body/currency"),
    ({"stock": -1}, "/body/stock"),
    ({"stock": 10**19}, "/body/stock"),
    ({"stock": False}, "/body/stock"),
    ({"stock": None}, "/body/stock"),
    ({"colour": "blue"}, "/body/colour"),
]


async def test_a_field_that_is_not_valid_is_named(api: httpx.AsyncClient, inventory: Shelf) -> None:
    for fields, place_of_it in INVALID:
        answer = await api.put("/v1/products/mug", json={**PRODUCT, **fields})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), (fields, answer.text)
        assert [error["pointer"] for error in answer.json()["errors"]] == [place_of_it], fields
    for sku in ("with space", "ü", "-x", "x" * 65):
        answer = await api.put(f"/v1/products/{sku}", json=PRODUCT)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), sku
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/path/sku"]
    assert inventory.requests == 0


async def test_a_sku_of_every_allowed_character_goes_through_to_inventory(api: httpx.AsyncClient) -> None:
    for sku in ("A-1.b_2:c", "x" * 64, "_", "0"):
        assert (await put_product(api, sku, stock=3))["available"] == 3
        assert (await receive(api, sku, 2, sku)).json()["available"] == 5
        assert (await api.get(f"/v1/products/{sku}")).json()["available"] == 5


async def test_without_inventory_products_wait_and_say_for_how_long(settings: OrdersSettings) -> None:
    async with serving(settings.model_copy(update={"inventory_url": NOWHERE})) as served:
        api = served.client()
        answers = [
            await api.put("/v1/products/mug", json=PRODUCT),
            await api.put("/v1/products/mug", json=PRODUCT),
        ]
        assert await served.value("SELECT count(*) FROM products") == 0
        await served.value("INSERT INTO products VALUES ('one', 'mug', 'Mug', 100, 'usd', 1, now(), now())")
        answers += [
            await api.get("/v1/products/mug"),
            await api.get("/v1/products"),
            await receive(api, "mug", 1, "r"),
        ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "inventory_unavailable")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_request_that_died_after_inventory_and_before_the_catalogue_is_healed_by_its_repeat(
    shop: Served, api: httpx.AsyncClient, inventory: Shelf
) -> None:
    answer = await dying_at(shop, "products", api.put("/v1/products/mug", json=PRODUCT))

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert await inventory.value("SELECT on_hand FROM stock") == 50
    # Nothing can be ordered that the catalogue does not know.
    assert (await api.get("/v1/products/mug")).status_code == 404

    healed = await put_product(api)
    assert (healed["available"], healed["stock"]) == (50, 50)


async def test_a_lost_answer_of_inventory_is_asked_for_again(
    shop: Served, api: httpx.AsyncClient, inventory: Shelf
) -> None:
    await put_product(api, stock=5)
    inventory.mood = "lost"
    lost = await receive(api, "mug", 10, "lost")
    again = await api.put("/v1/products/cup", json={**PRODUCT, "stock": 8})
    inventory.mood = "well"

    assert (lost.status_code, lost.json()["code"]) == (503, "inventory_unavailable")
    assert again.status_code == 503
    assert await shop.value("SELECT count(*) FROM products WHERE sku = 'cup'") == 0
    assert (await receive(api, "mug", 10, "lost")).json()["stock"] == 15
    assert (await put_product(api, "cup", stock=8))["stock"] == 8


async def test_an_inventory_that_hangs_costs_a_bounded_time(
    settings: OrdersSettings, inventory: Shelf
) -> None:
    hasty = settings.model_copy(update={"inventory_url": inventory.url, "inventory_timeout_s": 0.2})
    async with serving(hasty) as served:
        inventory.mood = "hanging"
        async with asyncio.timeout(10):
            answer = await served.client().put("/v1/products/mug", json=PRODUCT)
        inventory.mood = "well"

    assert (answer.status_code, answer.json()["code"]) == (503, "inventory_unavailable")


async def test_an_inventory_that_fails_is_soon_left_in_peace_and_found_again(
    settings: OrdersSettings, inventory: Shelf
) -> None:
    wary = settings.model_copy(
        update={
            "inventory_url": inventory.url,
            "inventory_breaker_calls_min": 4,
            "inventory_breaker_open_s": 0.05,
            "inventory_breaker_open_max_s": 0.05,
            "inventory_retry_pause_s": 0.001,
        }
    )
    async with serving(wary) as served:
        api = served.client()
        inventory.mood = "away"
        answers = [await api.put("/v1/products/mug", json=PRODUCT) for _ in range(40)]
        asked = inventory.requests
        inventory.mood = "well"
        await eventually(
            lambda: api.put("/v1/products/mug", json=PRODUCT), accept=lambda answer: answer.status_code == 200
        )

    assert {answer.status_code for answer in answers} == {503}
    assert asked < 80


async def test_of_two_writers_at_once_one_wins_wholly(settings: OrdersSettings, inventory: Shelf) -> None:
    near = settings.model_copy(update={"inventory_url": inventory.url})
    async with serving(near) as a, serving(near) as b:
        clients = (a.client(), b.client())
        for _ in range(10):
            await asyncio.gather(
                *(
                    put_product(clients[n % 2], "mug", name=f"Mug {n}", unit_price=100 + n, stock=10 + n)
                    for n in range(6)
                )
            )
            seen = (await clients[0].get("/v1/products/mug")).json()
            winner = seen["stock"] - 10
            assert (seen["name"], seen["unit_price"]) == (f"Mug {winner}", 100 + winner)


async def test_a_late_writer_does_not_overwrite_a_later_one(shop: Served, api: httpx.AsyncClient) -> None:
    await put_product(api, name="Late", stock=1)
    version = await shop.value("SELECT stock_version FROM products")
    await shop.value("UPDATE products SET name = 'Later', stock_version = $1", version + 10)

    answer = await put_product(api, name="Stalled in between", stock=2)
    assert answer["name"] == "Later"
