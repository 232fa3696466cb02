"""Orders: taken, looked at, listed; what is refused, and that nothing else is needed to take one."""

import json
from datetime import datetime
from typing import Any

import httpx
from orders.settings import OrdersSettings

from tests.support.orders import ORDER, Served, list_product, place, send_order, serving

ROWS = ("orders", "order_lines", "order_timeline", "sagas", "outbox")


async def counts(served: Served) -> dict[str, int]:
    return {table: await served.value(f"SELECT count(*) FROM {table}") for table in ROWS}  # noqa: S608


async def test_an_order_is_taken_without_kafka_inventory_or_payments(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served, "mug", unit_price=1_200)
    await list_product(served, "cup", unit_price=700, name="Cup")

    answer = await send_order(
        api, lines=[{"sku": "mug", "quantity": 2}, {"sku": "cup", "quantity": 3}], email="ada@example.com"
    )

    assert answer.status_code == 202
    order = answer.json()
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert order["id"].startswith("ord_")
    assert (order["status"], order["version"], order["reason"]) == ("pending", 1, None)
    assert (order["amount"], order["currency"], order["customer_id"]) == (4_500, "usd", "cust-1")
    assert order["lines"] == [
        {"sku": "mug", "name": "Blue mug", "quantity": 2, "unit_price": 1_200},
        {"sku": "cup", "name": "Cup", "quantity": 3, "unit_price": 700},
    ]
    assert (order["email"], order["webhook_url"], order["cancel_requested"]) == (
        "ada@example.com",
        None,
        False,
    )
    assert [row["status"] for row in order["timeline"]] == ["pending"]
    assert (await api.get(answer.headers["location"])).json() == order


async def test_one_transaction_writes_the_order_its_saga_and_its_first_two_events(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    order = await place(api)

    assert await counts(served) == {
        "orders": 1, "order_lines": 1, "order_timeline": 1, "sagas": 1, "outbox": 2
    }  # fmt: skip
    told, asked = await served.rows(
        "SELECT topic, key, value, header_names, header_values FROM outbox ORDER BY id"
    )
    headers = dict(zip(told["header_names"], told["header_values"], strict=True))
    assert (told["topic"], told["key"]) == ("orders.order-changed.v1", order["id"].encode())
    assert headers["ce_type"] == b"orders.order-placed.v1"
    assert headers["ce_sequence"] == b"1"
    assert headers["ce_id"].decode() == order["timeline"][0]["event_id"]
    assert (asked["topic"], asked["key"]) == ("orders.stock-requested.v1", order["id"].encode())
    data = json.loads(asked["value"])
    assert data["lines"] == [{"sku": "mug", "quantity": 2}]
    assert data["request_id"] == f"{order['id']}:reserve"
    kept = datetime.fromisoformat(data["expires_at"]) - datetime.fromisoformat(order["created_at"])
    assert kept.total_seconds() == served.app.state.settings.saga_reservation_s


async def test_what_happens_later_belongs_to_the_trace_of_the_request(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    api.headers["traceparent"] = f"00-{trace_id}-00f067aa0ba902b7-01"
    order = await place(api)

    assert trace_id in await served.value("SELECT traceparent FROM orders WHERE id = $1", order["id"])
    for event in await served.rows("SELECT header_names, header_values FROM outbox"):
        headers = dict(zip(event["header_names"], event["header_values"], strict=True))
        assert trace_id in headers["traceparent"].decode()


async def test_name_and_price_are_those_of_the_moment(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served, unit_price=1_200)
    order = await place(api)
    await served.value("UPDATE products SET unit_price = 9900, name = 'Dear mug'")

    assert (await api.get(f"/v1/orders/{order['id']}")).json() == order
    assert (await place(api))["amount"] == 19_800


async def test_a_sku_may_stand_in_a_hundred_lines(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served, unit_price=100)
    answer = await send_order(api, "k1", lines=[{"sku": "mug", "quantity": 1}] * 100)

    assert answer.status_code == 202
    assert (answer.json()["amount"], len(answer.json()["lines"])) == (10_000, 100)


async def test_an_unknown_sku_is_refused_with_its_line(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    answer = await send_order(
        api, "k1", lines=[{"sku": "mug", "quantity": 1}, {"sku": "ghost", "quantity": 1}]
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sku")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/lines/1/sku"]
    assert set((await counts(served)).values()) == {0}
    # The key is free: what was wrong can be put right.
    assert (await send_order(api, "k1")).status_code == 202


async def test_a_product_of_another_currency_is_refused(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served, "mug", currency="usd")
    await list_product(served, "tee", currency="eur")
    answer = await send_order(api, lines=[{"sku": "mug", "quantity": 1}, {"sku": "tee", "quantity": 1}])

    assert (answer.status_code, answer.json()["code"]) == (422, "mixed_currency")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/lines/1/sku"]


async def test_a_currency_may_be_written_in_capitals(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served, currency="eur")

    assert (await place(api, currency="EUR"))["currency"] == "eur"


async def test_an_order_that_no_card_could_pay_is_refused(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served, unit_price=99_999_999)

    assert (await place(api, lines=[{"sku": "mug", "quantity": 1}]))["amount"] == 99_999_999
    answer = await send_order(api, lines=[{"sku": "mug", "quantity": 2}])
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_too_large")


async def test_a_hundred_lines_are_taken_and_one_more_is_not(served: Served, api: httpx.AsyncClient) -> None:
    for number in range(101):
        await list_product(served, f"sku-{number}", unit_price=100)
    lines = [{"sku": f"sku-{number}", "quantity": 1} for number in range(101)]

    order = await place(api, lines=lines[:100])
    assert [line["sku"] for line in order["lines"]] == [line["sku"] for line in lines[:100]]
    answer = await send_order(api, lines=lines)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/body/lines"]


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"customer_id": ""}, "/body/customer_id"),
    ({"customer_id": "a\x00b"}, "/body/customer_id"),
    ({"customer_id": "a\nb"}, "/body/customer_id"),
    ({"customer_id": " "}, "/body/customer_id"),
    ({"customer_id": "a\u2028b"}, "/body/customer_id"),
    ({"customer_id": "x" * 101}, "/body/customer_id"),
    ({"customer_id": 7}, "/body/customer_id"),
    ({"customer_id": None}, "/body/customer_id"),
    ({"currency": "us"}, "/body/currency"),
    ({"currency": "xyz"}, "/body/currency"),
    ({"currency": "us\u017f"}, "/body/currency"),
    ({"payment_method": ""}, "/body/payment_method"),
    ({"payment_method": "pm card"}, "/body/payment_method"),
    ({"payment_method": "pm_\x00"}, "/body/payment_method"),
    ({"lines": []}, "/body/lines"),
    ({"lines": None}, "/body/lines"),
    ({"lines": {}}, "/body/lines"),
    ({"lines": [{"sku": "mug"}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": 0}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": -1}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": 1_001}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": True}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": 1.0}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": "1"}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "mug", "quantity": 10**30}]}, "/body/lines/0/quantity"),
    ({"lines": [{"sku": "m u g", "quantity": 1}]}, "/body/lines/0/sku"),
    ({"lines": [{"sku": "müg", "quantity": 1}]}, "/body/lines/0/sku"),
    ({"lines": [{"sku": "mug\n", "quantity": 1}]}, "/body/lines/0/sku"),
    ({"lines": [{"sku": "mug", "quantity": 1, "price": 1}]}, "/body/lines/0/price"),
    ({"email": "nobody"}, "/body/email"),
    ({"email": "a@b\r\nBcc: c@d"}, "/body/email"),
    ({"email": "a@b,c@d"}, "/body/email"),
    ({"email": "a b@c"}, "/body/email"),
    ({"email": "\u00fc@example.com"}, "/body/email"),
    ({"email": "a@-b.com"}, "/body/email"),
    ({"email": "a@" + "b" * 300}, "/body/email"),
    ({"email": "a@example.com\n"}, "/body/email"),
    ({"webhook_url": "ftp://example.com"}, "/body/webhook_url"),
    ({"webhook_url": "http://169.254.169.254/"}, "/body/webhook_url"),
    ({"webhook_url": "http://localhost/"}, "/body/webhook_url"),
    ({"discount": 5}, "/body/discount"),
]


async def test_a_field_that_is_not_valid_is_named(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    for fields, place_of_it in INVALID:
        answer = await send_order(api, **fields)

        assert answer.status_code == 422, (fields, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "validation_error"
        assert [error["pointer"] for error in answer.json()["errors"]] == [place_of_it], fields


async def test_every_field_at_fault_is_named_at_once(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/orders", json={"lines": [{"sku": "", "quantity": 0}]}, headers={"Idempotency-Key": "k"}
    )

    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/body/customer_id", "/body/currency", "/body/payment_method",
        "/body/lines/0/sku", "/body/lines/0/quantity",
    }  # fmt: skip


BODIES = (
    (b"{", "application/json", 400, "malformed_body"),
    (b"", "application/json", 422, "validation_error"),
    (b"\xff\xfe\xfd", "application/json", 400, "malformed_body"),
    (b'{"customer_id": ' + b"9" * 5_000 + b"}", "application/json", 400, "malformed_body"),
    (b"[" * 50_000, "application/json", 400, "malformed_body"),
    (b"null", "application/json", 422, "validation_error"),
    (b"[]", "application/json", 422, "validation_error"),
    (
        rb'{"customer_id": "\ud800", "lines": [{"sku": "\udfff"}]}',
        "application/json",
        422,
        "validation_error",
    ),
    (b"{}", "text/plain", 415, "unsupported_media_type"),
    (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    (b"{}", None, 415, "unsupported_media_type"),
    (b"", None, 422, "validation_error"),
    (b" " * (1024 * 1024 + 1), "application/json", 413, "body_too_large"),
)


async def test_a_body_that_is_none_is_refused(api: httpx.AsyncClient) -> None:
    for content, media_type, status, code in BODIES:
        headers = {"Idempotency-Key": "k", **({"Content-Type": media_type} if media_type else {})}
        answer = await api.post("/v1/orders", content=content, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (status, code), (content[:9], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_suffix_and_a_charset_do_not_make_json_something_else(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    for number, media_type in enumerate(("application/json; charset=utf-8", "application/vnd.shop+json")):
        answer = await api.post(
            "/v1/orders",
            content=json.dumps(ORDER),
            headers={"Content-Type": media_type, "Idempotency-Key": f"k{number}"},
        )
        assert answer.status_code == 202, answer.text


async def test_text_of_any_script_comes_back_as_it_was_sent(served: Served, api: httpx.AsyncClient) -> None:
    await list_product(served)
    for customer in ("顧客-1", "Zoë", "\U0001f469\u200d\U0001f680", "e\u0301", "\u00e9", " a"):
        order = await place(api, customer_id=customer)
        assert order["customer_id"] == customer
        page = await api.get("/v1/orders", params={"customer_id": customer})
        assert [item["id"] for item in page.json()["items"]] == [order["id"]]


async def test_what_is_no_order_is_not_found(api: httpx.AsyncClient) -> None:
    for order_id in ("ord_x", "nope", "ord_" + "0" * 22, "ord_" + "ü" * 22, "ord_" + "0" * 5_000):
        for method, path in (("GET", f"/v1/orders/{order_id}"), ("POST", f"/v1/orders/{order_id}/cancel")):
            answer = await api.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found"), order_id


async def test_without_the_database_the_answer_says_when_to_come_again(settings: OrdersSettings) -> None:
    away = settings.model_copy(
        update={"database_url": "postgresql://postgres@127.0.0.1:9/none", "database_timeout_s": 0.5}
    )
    async with serving(away, tenants=False) as served:
        answer = await send_order(served.client())

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"
