"""What operators see and do: stuck sagas, the push by hand, the check over HTTP and in a terminal."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from chassis import auth
from orders import reconcile as terminal
from orders.domain import facts
from orders.domain.saga import State
from orders.usecases.tenants import put_tenants
from prometheus_client import REGISTRY

from tests.support.orders import TENANTS, Served, key_of, serving

if TYPE_CHECKING:
    from tests.integration.orders_saga.conftest import Desk


@pytest.fixture
async def served(desk: "Desk", redis_url: str) -> AsyncIterator[Served]:
    async with serving(desk.settings.model_copy(update={"redis_url": redis_url})) as made:
        yield made


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def stuck_refund(desk: "Desk") -> str:
    order_id = await desk.brought_to(State.CAPTURING)
    desk.far_end.mood = "lossy"
    await desk.work()
    await desk.cancel(order_id)
    desk.far_end.mood, desk.far_end.refunds_fail = "well", True
    desk.clock.pass_(10)
    await desk.work()
    await desk.work()
    return order_id


async def test_a_stuck_saga_is_listed_measured_and_pushed(desk: "Desk", served: Served) -> None:
    order_id = await stuck_refund(desk)
    operator = served.operator()
    answer = await operator.get("/v1/admin/sagas", params={"stuck": "true"})
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    assert item["order_id"] == order_id
    assert item["state"] == "refunding"
    assert item["due_at"] is None
    assert item["last_error"] == "expired_or_canceled_card"
    await desk.sweeper().measure()
    assert gauge("orders_sagas_stuck") == 1
    assert gauge("orders_in_flight", state="refunding") == 1
    assert gauge("orders_in_flight", state="capturing") == 0
    desk.far_end.refunds_fail = False
    answer = await operator.post(f"/v1/admin/sagas/{order_id}/push")
    assert answer.status_code == 200, answer.text
    assert answer.json()["stuck_since"] is None
    await desk.goes_on(order_id)
    answer = await operator.post(f"/v1/admin/sagas/{order_id}/push")
    assert answer.status_code == 409
    assert answer.json()["code"] == "saga_finished"


async def test_a_push_sends_a_command_again(desk: "Desk", served: Served) -> None:
    order_id = await desk.place()
    assert (await served.operator().post(f"/v1/admin/sagas/{order_id}/push")).status_code == 200
    requests = [e for e in await desk.told(order_id) if e["topic"] == "orders.stock-requested.v1"]
    assert len(requests) == 2


async def test_live_sagas_are_listed_page_by_page(desk: "Desk", served: Served) -> None:
    placed = [await desk.place() for _ in range(5)]
    finished = await desk.place()
    await desk.learn(finished, facts.StockRefused())
    operator, found, cursor = served.operator(), [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/v1/admin/sagas", params=params)).json()
        found += [item["order_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sorted(placed)
    assert (await operator.get("/v1/admin/sagas", params={"cursor": "x"})).status_code == 400


async def test_only_the_operator_may_look(desk: "Desk", served: Served) -> None:
    order_id = await desk.place()
    for path in ("/v1/admin/sagas", "/v1/admin/reconcile"):
        assert (await served.client(None).get(path)).status_code == 401
        assert (await served.client("one").get(path)).status_code == 403
    assert (await served.client("one").post(f"/v1/admin/sagas/{order_id}/push")).status_code == 403
    unknown = await served.operator().post("/v1/admin/sagas/ord_0/push")
    assert unknown.status_code == 404


async def test_the_check_answers_over_http(desk: "Desk", served: Served) -> None:
    order_id = await desk.brought_to(State.AUTHORISING)
    await desk.goes_on(order_id)
    answer = await served.operator().get("/v1/admin/reconcile")
    assert answer.status_code == 200
    body = answer.json()
    by_name = {check["name"]: check for check in body["checks"]}
    assert by_name["charges_match_orders"]["ok"]
    assert by_name["orders_have_one_state"]["ok"]
    assert not by_name["stock_conserved"]["ok"], "inventory is nowhere"
    assert body["ok"] is False


async def test_the_terminal_shows_the_same_checks(desk: "Desk") -> None:
    await put_tenants(desk.pool, [(TENANTS["one"], auth.hash_key(key_of("one")))])
    checks = await terminal.run(desk.settings)
    table = terminal.table_of(checks)
    assert len(table.splitlines()) == len(checks) == 7
    assert "WRONG  stock_conserved" in table


async def test_the_command_fails_when_a_check_does(desk: "Desk") -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": desk.settings.database_url,
        "STRIPE_API_KEY": "sk_test_orders",
        "STRIPE_API_BASE": desk.far_end.url,
        "INVENTORY_URL": "http://127.0.0.1:9",
    }
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orders.reconcile", env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await command.communicate()
    assert command.returncode == 1
    assert "ok     orders_have_one_state" in out.decode()
    assert "ok     charges_match_orders" in out.decode()
    assert "WRONG  stock_conserved" in out.decode()
