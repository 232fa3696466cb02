"""Lists of orders and products: order, filters, cursors bound to their list."""

import base64

import httpx

from tests.support.orders import Served, list_product, place, put_product


async def pages(client: httpx.AsyncClient, path: str, member: str, **params: str | int) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = await client.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += [item[member] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def test_pages_are_newest_first_and_hold_every_order_once(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    made = [(await place(api, customer_id=f"c{number % 2}"))["id"] for number in range(7)][::-1]
    await served.value(
        "UPDATE orders SET status = 'rejected', finished_at = now() WHERE id = ANY($1)", made[::3]
    )

    for limit in (1, 3, 7, 100):
        assert await pages(api, "/v1/orders", "id", limit=limit) == made
        assert await pages(api, "/v1/orders", "id", limit=limit, status="rejected") == made[::3]
        assert await pages(api, "/v1/orders", "id", limit=limit, status="completed") == []
        assert await pages(api, "/v1/orders", "id", limit=limit, customer_id="c0") == made[::2]
        both = await pages(api, "/v1/orders", "id", limit=limit, customer_id="c0", status="rejected")
        assert both == made[::6]


async def test_an_item_of_a_list_is_the_whole_order(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    made = [await place(api) for _ in range(2)]

    assert (await api.get("/v1/orders")).json() == {"items": made[::-1], "next_cursor": None}


async def test_orders_placed_while_a_client_turns_pages_disturb_no_page(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    made = [(await place(api))["id"] for _ in range(4)]
    first = (await api.get("/v1/orders", params={"limit": 2})).json()
    await place(api)
    second = (await api.get("/v1/orders", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [order["id"] for order in first["items"] + second["items"]] == made[::-1]


async def test_a_cursor_is_good_only_for_the_list_and_the_tenant_it_came_from(served: Served) -> None:
    one, two = served.client("one"), served.client("two")
    await list_product(served)
    for _ in range(2):
        await place(one, customer_id="c")
    params: dict[str, str | int] = {"limit": 1, "customer_id": "c", "status": "pending"}
    cursor = (await one.get("/v1/orders", params=params)).json()["next_cursor"]

    assert (await one.get("/v1/orders", params={**params, "limit": 9, "cursor": cursor})).status_code == 200
    others: list[tuple[httpx.AsyncClient, str, dict[str, str]]] = [
        (one, "/v1/orders", {}),
        (one, "/v1/orders", {"customer_id": "c"}),
        (one, "/v1/orders", {"status": "pending"}),
        (one, "/v1/orders", {"customer_id": "c", "status": "rejected"}),
        (one, "/v1/orders", {"customer_id": "pending", "status": "pending"}),
        (one, "/v1/products", {}),
        (two, "/v1/orders", {"customer_id": "c", "status": "pending"}),
    ]
    for client, path, other in others:
        answer = await client.get(path, params={**other, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid"), (path, other)


async def test_a_cursor_that_we_did_not_make_is_refused(api: httpx.AsyncClient) -> None:
    for cursor in ("x", "", "a" * 40, base64.urlsafe_b64encode(b"\0" * 30).decode(), "ü" * 5, "=", "a" * 999):
        for path in ("/v1/orders", "/v1/products"):
            answer = await api.get(path, params={"cursor": cursor})
            assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid"), cursor


async def test_parameters_out_of_range_are_refused(api: httpx.AsyncClient) -> None:
    for params in (
        {"limit": 0},
        {"limit": 101},
        {"limit": "x"},
        {"status": "done"},
        {"status": ""},
        {"customer_id": ""},
        {"customer_id": "a\u2028"},
    ):
        answer = await api.get("/v1/orders", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), params


async def test_products_are_listed_by_sku_with_their_stock(shop: Served) -> None:
    api = shop.client()
    skus = ["a", "B", "c.1", "c-2", "_x"]
    for number, sku in enumerate(skus):
        await put_product(api, sku, stock=number)
    expected = sorted(skus)

    for limit in (1, 2, 100):
        assert await pages(api, "/v1/products", "sku", limit=limit) == expected
    items = (await api.get("/v1/products")).json()["items"]
    assert {item["sku"]: item["available"] for item in items} == dict(zip(skus, range(5), strict=True))
    assert await pages(shop.client("two"), "/v1/products", "sku") == []
