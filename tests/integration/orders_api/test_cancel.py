"""Cancel: accepted once, told the same ever after, refused at an end; and it races with everything."""

import asyncio
import json
from collections.abc import Sequence

import httpx
import pytest
from orders.domain import facts
from orders.resources import now
from orders.settings import OrdersSettings
from orders.usecases.saga import Change, advance, terms_of

from tests.support.orders import Json, Served, list_product, place, serving


async def cancel(client: httpx.AsyncClient, order: Json) -> httpx.Response:
    return await client.post(f"/v1/orders/{order['id']}/cancel")


async def learn(served: Served, order: Json, *learned: facts.Fact) -> None:
    """What a consumer or the executor does when it hears something."""
    async with served.pool.acquire() as conn, conn.transaction():
        changes = [Change(order["id"], fact) for fact in learned]
        await advance(conn, changes, now(), terms_of(served.app.state.settings))


async def statuses(client: httpx.AsyncClient, order: Json) -> list[str]:
    found = (await client.get(f"/v1/orders/{order['id']}")).json()
    return [row["status"] for row in found["timeline"]]


PAID = (
    facts.StockReserved(),
    facts.PaymentAuthorised("pi_1"),
    facts.StockConfirmed(),
    facts.PaymentCaptured(),
)


async def test_the_first_cancel_is_accepted_and_a_repeat_is_told_the_same(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    order = await place(api)
    first, second = await cancel(api, order), await cancel(api, order)

    assert (first.status_code, second.status_code) == (202, 200)
    body = first.json()
    assert (body["status"], body["cancel_requested"], body["version"]) == ("pending", True, 2)
    assert [row["status"] for row in body["timeline"]] == ["pending", "cancelling"]
    assert second.json() == body
    await learn(served, order, facts.StockReleased())
    third = await cancel(api, order)
    assert (third.status_code, third.json()["status"]) == (200, "cancelled")
    assert third.json()["finished_at"] is not None
    assert await statuses(api, order) == ["pending", "cancelling", "cancelled"]


async def test_a_cancel_tells_the_world_and_asks_for_the_stock_back(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    order = await place(api)
    answer = (await cancel(api, order)).json()

    rows = (await served.rows("SELECT topic, value, header_names, header_values FROM outbox ORDER BY id"))[2:]
    assert [row["topic"] for row in rows] == ["orders.order-changed.v1", "orders.stock-requested.v1"]
    told = dict(zip(rows[0]["header_names"], rows[0]["header_values"], strict=True))
    assert told["ce_type"] == b"orders.order-advanced.v1"
    assert told["ce_sequence"] == b"2"
    assert told["ce_id"].decode() == answer["timeline"][1]["event_id"]
    assert json.loads(rows[1]["value"])["request_id"] == f"{order['id']}:release"


@pytest.mark.parametrize("end", ["completed", "rejected"])
async def test_an_order_that_has_ended_is_not_cancelled(
    served: Served, api: httpx.AsyncClient, end: str
) -> None:
    await list_product(served)
    order = await place(api)
    await learn(served, order, *(PAID if end == "completed" else (facts.StockRefused(),)))
    before = (await api.get(f"/v1/orders/{order['id']}")).json()
    answer = await cancel(api, order)

    assert (answer.status_code, answer.json()["code"]) == (409, "order_finished")
    assert answer.json()["order_status"] == end
    assert (await api.get(f"/v1/orders/{order['id']}")).json() == before
    assert before["timeline"][-1]["status"] == before["status"] == end


RACES: list[Sequence[facts.Fact]] = [PAID[:steps] for steps in range(5)] + [(facts.StockRefused(),)]


async def test_a_cancel_at_once_with_any_step_ends_in_exactly_one_way(
    settings: OrdersSettings,
) -> None:
    async with serving(settings) as a, serving(settings) as b:
        await list_product(a)
        api = a.client()
        for learned in RACES * 3:
            order = await place(api)
            for fact in learned[:-1]:
                await learn(a, order, fact)
            answers, _ = await asyncio.gather(
                asyncio.gather(cancel(a.client(), order), cancel(b.client(), order)),
                learn(b, order, *learned[-1:]),
            )
            codes = sorted(answer.status_code for answer in answers)
            found = (await api.get(f"/v1/orders/{order['id']}")).json()

            assert codes in ([200, 202], [409, 409]), (learned, codes)
            assert found["cancel_requested"] is (codes == [200, 202])
            if codes == [409, 409]:
                assert found["status"] in {"completed", "rejected"}
            else:
                assert found["status"] == "pending"
            assert [row["status"] for row in found["timeline"]].count("cancelling") <= 1
            assert len(found["timeline"]) == found["version"]


async def test_an_accepted_cancel_ends_cancelled_whatever_payments_answers(
    served: Served, api: httpx.AsyncClient
) -> None:
    await list_product(served)
    back = (facts.PaymentVoided(), facts.Refunded(), facts.StockReleased())
    for steps in range(4):
        order = await place(api)
        await learn(served, order, *PAID[:steps])
        assert (await cancel(api, order)).status_code == 202
        await learn(served, order, *PAID[steps:], *back, *back, *back)

        found = (await api.get(f"/v1/orders/{order['id']}")).json()
        assert found["status"] == found["timeline"][-1]["status"] == "cancelled", steps


async def test_twenty_cancels_at_once_are_one(settings: OrdersSettings) -> None:
    async with serving(settings) as a, serving(settings) as b:
        await list_product(a)
        order = await place(a.client())
        answers = await asyncio.gather(*(cancel((a, b)[n % 2].client(), order) for n in range(20)))

        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
        assert await a.value("SELECT count(*) FROM order_timeline") == 2
        assert await a.value("SELECT count(*) FROM outbox") == 4
