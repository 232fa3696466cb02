"""Keys, tenants, rates."""

from typing import Any

import httpx
import pytest
from chassis import auth
from orders.settings import OrdersSettings
from orders.usecases.tenants import put_tenants

from tests.support.orders import (
    ADMIN_KEY,
    ORDER,
    PRODUCT,
    TENANTS,
    Served,
    list_product,
    place,
    put_product,
    send_order,
    serving,
)

TENANT_ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/v1/orders/{order_id}", None),
    ("POST", "/v1/orders/{order_id}/cancel", None),
    ("GET", "/v1/products/{sku}", None),
    ("POST", "/v1/products/{sku}/receipts", {"quantity": 1}),
]
OWN_ROUTES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/v1/orders", ORDER),
    ("GET", "/v1/orders", None),
    ("GET", "/v1/products", None),
    ("PUT", "/v1/products/{sku}", PRODUCT),
]
KEYED = {"Idempotency-Key": "k"}


def is_operators(path: str) -> bool:
    return path.startswith(("/v1/admin/", "/v1/dead-letters"))


def paths_of(served: Served) -> set[tuple[str, str]]:
    document = served.app.openapi()["paths"]
    return {(method.upper(), path) for path in document for method in document[path]}


async def test_every_route_hides_what_belongs_to_another_tenant(shop: Served) -> None:
    one, two = shop.client("one"), shop.client("two")
    await put_product(one, "mug", stock=50)
    order = await place(one)

    for method, path, body in TENANT_ROUTES:
        wanted = path.format(order_id=order["id"], sku="mug")
        answer = await two.request(method, wanted, json=body, headers=KEYED)
        assert answer.status_code == 404, (method, path)
        assert answer.json()["code"] in {"order_not_found", "product_not_found"}
    assert (await two.get("/v1/orders")).json()["items"] == []
    assert (await two.get("/v1/orders", params={"customer_id": "cust-1"})).json()["items"] == []
    assert (await two.get("/v1/products")).json()["items"] == []
    refused = await send_order(two)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_sku")
    # The same name is another product, with a stock of its own.
    await put_product(two, "mug", name="Theirs", stock=1)
    assert (await one.get("/v1/products/mug")).json()["available"] == 50
    assert (await one.get(f"/v1/orders/{order['id']}")).json() == order


async def test_the_lists_of_routes_are_complete(served: Served) -> None:
    known = {(method, path) for method, path, _ in (*TENANT_ROUTES, *OWN_ROUTES)}

    assert {(m, p) for m, p in paths_of(served) if not is_operators(p)} == known


async def test_without_a_known_key_every_route_refuses(served: Served) -> None:
    client = served.client(None)
    for value in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer nope",
        "Bearer two words",
        "Bearer \xfc",
    ):
        headers = [] if value is None else [(b"Authorization", value.encode("latin-1"))]
        for method, path in sorted(paths_of(served)):
            answer = await client.request(method, path, headers=headers)
            wanted = {401, 403, 429} if is_operators(path) else {401, 429}
            assert answer.status_code in wanted, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_tenants_key_opens_no_operators_route_and_the_operators_no_tenants(served: Served) -> None:
    tenant, operator = served.client(), served.operator()
    for method, path in sorted(paths_of(served)):
        if is_operators(path):
            answer = await tenant.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)
        else:
            answer = await operator.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), (method, path)


async def test_who_calls_is_judged_before_what_is_sent(served: Served) -> None:
    stranger = served.client(None)
    for content, media_type in ((b"{}", "text/plain"), (b"{}", "application/json"), (b"", "text/html")):
        answer = await stranger.post("/v1/orders", content=content, headers={"Content-Type": media_type})
        assert answer.status_code == 401


async def test_a_tenant_above_its_rate_is_told_when_to_come_again(served: Served) -> None:
    small = served.client("small")
    answers = [await small.get("/v1/orders") for _ in range(11)]

    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert all('"tenant";q=10' in answer.headers["ratelimit-policy"] for answer in answers)
    assert answers[0].headers["ratelimit"].startswith('"tenant";r=9')
    refused = answers[10]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await served.client("one").get("/v1/orders")).status_code == 200


async def test_errors_carry_the_limit_too(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    for answer in (
        await api.get("/v1/orders/nothing"),
        await api.post("/v1/orders", json={}, headers=KEYED),
        await api.post("/v1/orders", content=b"{", headers={**KEYED, "Content-Type": "text/plain"}),
        await send_order(api),
    ):
        assert answer.headers["ratelimit"].startswith('"tenant";r='), answer.text


async def test_an_address_that_guesses_keys_is_slowed_down_and_nobody_else(settings: OrdersSettings) -> None:
    strict = settings.model_copy(update={"refused_key_rate_per_s": 0.1, "refused_key_burst": 3})
    async with serving(strict) as served:
        guesser = served.client(None)
        guesser.headers["Authorization"] = "Bearer guess"
        answers = [await guesser.get("/v1/orders") for _ in range(4)]
        admin = await guesser.get("/v1/admin/faults", headers={"Authorization": "Bearer guess"})
        known = await served.client("one").get("/v1/orders")
        elsewhere = await served.client(None, address="192.0.2.9").get("/v1/orders")

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert admin.status_code == 429
    assert (known.status_code, elsewhere.status_code) == (200, 401)


async def test_without_redis_orders_are_taken_under_a_stricter_limit(settings: OrdersSettings) -> None:
    lonely = settings.model_copy(update={"redis_url": "redis://127.0.0.1:9", "redis_timeout_s": 0.2})
    async with serving(lonely) as served:
        await list_product(served)
        await place(served.client())
        answers = [await served.client("small").get("/v1/orders") for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3


async def test_a_new_key_of_a_tenant_replaces_the_old_one(served: Served) -> None:
    fresh = "another-key-of-one-0123456789"
    await put_tenants(served.pool, [(TENANTS["one"], auth.hash_key(fresh))])
    client = served.client(None)

    assert (await served.client("one").get("/v1/orders")).status_code == 401
    assert (await client.get("/v1/orders", headers={"Authorization": f"Bearer {fresh}"})).status_code == 200


@pytest.mark.parametrize("sent", [ADMIN_KEY, "sb_test_" + "x" * 30])
async def test_a_key_in_the_address_opens_nothing(served: Served, sent: str) -> None:
    answer = await served.client(None).get("/v1/orders", params={"key": sent, "access_token": sent})

    assert answer.status_code == 401
