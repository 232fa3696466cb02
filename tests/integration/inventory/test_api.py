"""What orders may ask of inventory over HTTP, and what it is answered."""

import asyncio
from typing import Any

import pytest
from inventory.domain.stock import Place
from inventory.usecases import stock

from tests.integration.inventory.served import KEY, TENANT, Served, confirm, release, reserve

LAMP = f"/v1/tenants/{TENANT}/stock/lamp"


async def test_a_count_of_the_shelf_is_absolute(shop: Served) -> None:
    first = await shop.put("lamp", 10)
    again = await shop.put("lamp", 10)
    less = await shop.put("lamp", 4)
    assert first.json() == {
        "sku": "lamp",
        "available": 10,
        "reserved": 0,
        "sold": 0,
        "stock": 10,
        "version": 1,
    }
    assert again.json() == first.json()
    assert (less.json()["stock"], less.json()["version"]) == (4, 2)
    await shop.assert_clean()


async def test_a_count_below_what_is_reserved_is_refused_and_changes_nothing(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", lamp=6))
    refused = await shop.put("lamp", 5)
    assert (refused.status_code, refused.json()["code"], refused.json()["reserved"]) == (
        409,
        "stock_below_reserved",
        6,
    )
    assert (await shop.put("lamp", 6)).json()["available"] == 0
    await shop.assert_clean()


async def test_a_count_leaves_what_was_sold_alone(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", lamp=6), confirm("ord_1"))
    counted = (await shop.put("lamp", 100)).json()
    assert (counted["stock"], counted["sold"]) == (100, 6)
    await shop.assert_clean()


async def test_two_first_counts_at_once_are_both_granted(shop: Served) -> None:
    answers = await asyncio.gather(*(shop.put("lamp", 10 + n) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await shop.level("lamp"))["stock"] in range(10, 18)
    await shop.assert_clean()


async def test_a_receipt_adds_once_a_key(shop: Served) -> None:
    await shop.shelve(lamp=1)
    first = await shop.receive("lamp", 5, key="k1")
    again = await shop.receive("lamp", 5, key="k1")
    other = await shop.receive("lamp", 5, key="k2")
    assert (first.status_code, first.json()["stock"]) == (200, 6)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert other.json()["stock"] == 11
    await shop.assert_clean()


async def test_a_receipt_sent_many_times_at_once_adds_once(shop: Served) -> None:
    await shop.shelve(lamp=0)
    place = Place(TENANT, "lamp")
    # Past the memory of the process, as from many replicas: the table alone decides.
    answers = await asyncio.gather(
        *(stock.receive(_replica(shop), place, 5, key="k1") for _ in range(12)), return_exceptions=True
    )
    done = [one for one in answers if not isinstance(one, BaseException)]
    assert done
    assert {one.body for one in done} == {done[0].body}
    assert {type(one).__name__ for one in answers if isinstance(one, BaseException)} <= {"KeyInFlight"}
    assert (await shop.level("lamp"))["stock"] == 5


def _replica(shop: Served) -> Any:
    return type(shop.res).of(shop.res.settings, shop.db)


async def test_a_key_is_for_one_receipt(shop: Served) -> None:
    await shop.shelve(lamp=1, shade=1)
    await shop.receive("lamp", 5, key="k1")
    more = await shop.receive("lamp", 6, key="k1")
    elsewhere = await shop.receive("shade", 5, key="k1")
    for reused in (more, elsewhere):
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_receipt_without_its_key_or_its_sku_is_refused(shop: Served) -> None:
    without = await shop.orders.post(f"{LAMP}/receipts", json={"quantity": 1})
    invalid = await shop.receive("lamp", 1, key="a key")
    unknown = await shop.receive("lamp", 1, key="k1")
    await shop.shelve(lamp=0)
    known = await shop.receive("lamp", 1, key="k1")
    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_missing")
    assert (invalid.status_code, invalid.json()["code"]) == (400, "idempotency_key_invalid")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "stock_not_found")
    assert known.status_code == 200, "a refusal leaves the key free"


@pytest.mark.parametrize("body", [{}, {"stock": -1}, {"stock": "5"}, {"stock": 1.5}, {"stock": 1, "x": 1}])
async def test_a_count_that_makes_no_sense_is_refused(shop: Served, body: dict[str, Any]) -> None:
    answer = await shop.orders.put(LAMP, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


@pytest.mark.parametrize("quantity", [0, -1, 1_000_000_001])
async def test_a_receipt_of_nothing_or_too_much_is_refused(shop: Served, quantity: int) -> None:
    assert (await shop.receive("lamp", quantity)).status_code == 422


async def test_stock_is_told_by_sku_or_page_by_page(shop: Served) -> None:
    await shop.shelve(bulb=1, lamp=2, shade=3)
    await shop.put("lamp", 7, tenant="globex")
    path = f"/v1/tenants/{TENANT}/stock"
    named = (await shop.orders.get(path, params={"sku": ["shade", "bulb", "nothing"]})).json()
    first = (await shop.orders.get(path, params={"limit": 2})).json()
    rest = (await shop.orders.get(path, params={"limit": 2, "after": first["next_after"]})).json()
    assert [item["sku"] for item in named["items"]] == ["bulb", "shade"]
    assert [item["sku"] for item in first["items"] + rest["items"]] == ["bulb", "lamp", "shade"]
    assert (first["next_after"], rest["next_after"]) == ("lamp", None)


async def test_reservations_are_told_page_by_page(shop: Served) -> None:
    await shop.shelve(lamp=5)
    await shop.say(reserve("ord_1", lamp=5), reserve("ord_2", lamp=1), release("ord_3"))
    first = (await shop.orders.get("/v1/reservations", params={"limit": 2})).json()
    rest = (await shop.orders.get("/v1/reservations", params={"after": first["next_after"]})).json()
    assert first["items"] == [
        {"order_id": "ord_1", "state": "reserved"},
        {"order_id": "ord_2", "state": "refused"},
    ]
    assert rest == {"items": [{"order_id": "ord_3", "state": "released"}], "next_after": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/tenants/{TENANT}/stock"),
        ("PUT", LAMP),
        ("POST", f"{LAMP}/receipts"),
        ("GET", "/v1/reservations"),
        ("GET", "/v1/admin/reconcile"),
    ],
)
async def test_nobody_calls_without_the_key(shop: Served, method: str, path: str) -> None:
    for header in ("", "Bearer wrong", f"Basic {KEY}"):
        refused = await shop.orders.request(method, path, headers={"Authorization": header}, json={})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_the_reconcile_sees_a_shelf_that_was_changed_behind_its_back(shop: Served) -> None:
    await shop.shelve(lamp=10, shade=10)
    await shop.say(reserve("ord_1", lamp=4), reserve("ord_2", shade=4), confirm("ord_2"))
    await shop.assert_clean()

    await shop.db.execute(
        "UPDATE stock SET on_hand = on_hand + 1, received = received + 1 WHERE sku = 'lamp'"
    )
    await shop.db.execute("UPDATE stock SET reserved = reserved + 1 WHERE sku = 'lamp'")
    await shop.db.execute("UPDATE reservations SET state = 'released' WHERE order_id = 'ord_2'")
    checks = await shop.checks()
    assert checks["stock_conserved"] == (False, "1 of 2 SKUs are wrong: acme/lamp")
    assert checks["reserved_matches_reservations"] == (False, "1 of 2 SKUs are wrong: acme/lamp")
    assert checks["sold_matches_reservations"] == (False, "1 of 2 SKUs are wrong: acme/shade")
    assert checks["stock_never_negative"][0]


async def test_the_reconcile_sees_a_reservation_that_nobody_ends(shop: Served) -> None:
    await shop.shelve(lamp=10)
    await shop.say(reserve("ord_1", lamp=4, expires_in_s=-3600))
    ok, detail = (await shop.checks())["reservations_expire"]
    assert not ok
    assert "1 held" in detail
