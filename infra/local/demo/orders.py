"""What the demo does to the shop, act by act: it sells, refuses, cancels, and adds everything up."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import httpx

from infra.local.demo import traffic
from infra.local.demo.story import Story
from infra.local.demo.traffic import Recorder, require_loopback, together
from infra.local.errors import LocalError

T = TypeVar("T")
ORDERS = 24
REPEATS = 8
WIDTH = 8
STOCK = 100
LAST_UNITS = 3
RACED_ORDERS = 8
CANCEL_TRIES = 5
VISA, DECLINED = "pm_card_visa", "pm_card_chargeDeclined"
TIMEOUT_S = 30.0


@dataclass(slots=True)
class OrderStory(Story):
    """The orders that were completed."""

    completed: list[dict[str, Any]] = field(default_factory=list)

    def sku(self, name: str) -> str:
        return f"{name}-{self.run}"

    def customer(self, name: str) -> str:
        return f"{name}-{self.run}"


@dataclass(frozen=True, slots=True)
class Shop:
    """The API with a tenant's key and with the operator's, every call timed."""

    tenant: httpx.AsyncClient
    operator: httpx.AsyncClient
    mailbox: httpx.AsyncClient
    visitor: httpx.AsyncClient
    recorder: Recorder

    async def ask(self, kind: str, method: str, path: str, **options: Any) -> httpx.Response:
        return await self._timed(kind, self.tenant.request(method, path, **options))

    async def operate(self, kind: str, method: str, path: str, **options: Any) -> Any:
        answer = await self._timed(kind, self.operator.request(method, path, **options))
        return answer.raise_for_status().json() if answer.content else None

    async def _timed(self, kind: str, call: Awaitable[httpx.Response]) -> httpx.Response:
        started = time.monotonic()
        answer = await call
        self.recorder.note(kind, answer.status_code, (time.monotonic() - started) * 1000)
        return answer

    async def place(self, sku: str, customer: str, *, card: str = VISA, trace_id: str = "") -> dict[str, Any]:
        """The order as it was accepted; its key is the customer's name. A trace that has an id is kept."""
        traced = {"traceparent": f"00-{trace_id}-{trace_id[:16]}-01"} if trace_id else {}
        answer = await self.ask(
            "place an order",
            "POST",
            "/v1/orders",
            json={
                "customer_id": customer,
                "currency": "usd",
                "payment_method": card,
                "lines": [{"sku": sku, "quantity": 1}],
            },
            headers={"Idempotency-Key": customer, **traced},
        )
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def ended(self, order_id: str) -> dict[str, Any]:
        """The order with its whole timeline, once it has its end."""

        async def look() -> dict[str, Any] | None:
            answer = await self.ask("look at an order", "GET", f"/v1/orders/{order_id}")
            order: dict[str, Any] = answer.raise_for_status().json()
            return None if order["status"] == "pending" else order

        return await eventually(f"an end of order {order_id}", look)


@asynccontextmanager
async def opened(addresses: dict[str, str], recorder: Recorder) -> AsyncIterator[Shop]:
    for name in ("ORDERS_URL", "MAILCATCHER_URL", "SHORTENER_URL"):
        require_loopback(addresses[name], name)

    def client(url: str, key: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    url = addresses["ORDERS_URL"]
    async with (
        client(url, addresses["ORDERS_API_KEY"]) as tenant,
        client(url, addresses["ADMIN_API_KEY"]) as operator,
        client(addresses["MAILCATCHER_URL"]) as mailbox,
        client(addresses["SHORTENER_URL"]) as visitor,
    ):
        try:
            yield Shop(tenant, operator, mailbox, visitor, recorder)
        except httpx.HTTPError as error:
            raise LocalError(
                f"the shop answered otherwise than the demo expects: {error!r}",
                hint="make status, then make logs SERVICE=orders",
            ) from error


async def eventually(what: str, look: Callable[[], Awaitable[T | None]]) -> T:
    hint = "make status, make dead-letters, then make logs SERVICE=orders-worker"
    return await traffic.eventually(what, look, hint=hint)


async def stock(shop: Shop, story: OrderStory) -> None:
    for name, units in (("mug", STOCK), ("lamp", LAST_UNITS)):
        product = {"name": f"A {name}", "unit_price": 1_250, "currency": "usd", "stock": units}
        answer = await shop.ask("put a product", "PUT", f"/v1/products/{story.sku(name)}", json=product)
        answer.raise_for_status()


async def sell(shop: Shop, story: OrderStory) -> None:
    """Orders with a key each, some of them sent again; every one is followed to its end."""

    def buy(number: int) -> Callable[[], Awaitable[dict[str, Any]]]:
        return partial(shop.place, story.sku("mug"), story.customer(f"buyer{number}"))

    placed = await together((buy(n) for n in range(ORDERS)), width=WIDTH)
    again = await together((buy(n) for n in range(REPEATS)), width=WIDTH)
    same = sum(a["id"] == b["id"] for a, b in zip(placed, again, strict=False))
    story.check("the same key again is the same order", same == REPEATS, f"{same} of {REPEATS}")

    orders = await together((partial(shop.ended, order["id"]) for order in placed), width=WIDTH)
    statuses = Counter(order["status"] for order in orders)
    story.check(f"{ORDERS} orders complete", statuses == {"completed": ORDERS}, dict(statuses))
    story.completed = orders
    story.check(
        "an order tells each of its steps",
        [row["status"] for row in orders[0]["timeline"]]
        == [
            "pending",
            "stock_reserved",
            "payment_authorised",
            "stock_confirmed",
            "payment_captured",
            "completed",
        ],
        timeline_of(orders[0]),
    )


async def refuse(shop: Shop, story: OrderStory) -> None:
    placed = await shop.place(story.sku("mug"), story.customer("declined"), card=DECLINED)
    order = await shop.ended(placed["id"])
    story.check(
        "a declined card rejects the order and gives the stock back",
        (order["status"], order["reason"]) == ("rejected", "payment_declined"),
        f"{order['reason']}: {timeline_of(order)}",
    )
    racers = (
        partial(shop.place, story.sku("lamp"), story.customer(f"racer{n}")) for n in range(RACED_ORDERS)
    )
    placed_at_once = await together(racers)
    orders = await together(partial(shop.ended, order["id"]) for order in placed_at_once)
    ends = Counter(order["reason"] or order["status"] for order in orders)
    story.check(
        f"{RACED_ORDERS} orders at once for {LAST_UNITS} lamps: {LAST_UNITS} are sold",
        ends == {"completed": LAST_UNITS, "out_of_stock": RACED_ORDERS - LAST_UNITS},
        dict(ends),
    )


async def cancel(shop: Shop, story: OrderStory) -> None:
    """A cancel that is accepted always wins; one that comes too late is told so."""
    for number in range(CANCEL_TRIES):
        placed = await shop.place(story.sku("mug"), story.customer(f"doubter{number}"))
        answer = await shop.ask("cancel an order", "POST", f"/v1/orders/{placed['id']}/cancel")
        if answer.status_code != HTTPStatus.CONFLICT:
            break
    order = await shop.ended(placed["id"])
    late = await shop.ask("cancel, too late", "POST", f"/v1/orders/{story.completed[0]['id']}/cancel")
    story.check(
        "a cancel on the way ends cancelled, one of a finished order is refused",
        (answer.status_code, order["status"], late.status_code)
        == (HTTPStatus.ACCEPTED, "cancelled", HTTPStatus.CONFLICT),
        f"{answer.status_code}, {timeline_of(order)}; {late.status_code}",
    )


async def reconcile(shop: Shop, story: OrderStory) -> None:
    """Orders, money and stock against each other, as they are now."""

    async def look() -> Any:
        found = await shop.operate("reconcile", "GET", "/v1/admin/reconcile")
        return found if found["ok"] else None

    try:
        found = await eventually("a clean reconcile", look)
    except LocalError:
        found = await shop.operate("reconcile", "GET", "/v1/admin/reconcile")
    broken = [f"{check['name']}: {check['detail']}" for check in found["checks"] if not check["ok"]]
    seen = "; ".join(broken) or f"{len(found['checks'])} checks"
    story.check("orders, charges, stock and reservations agree", found["ok"], seen)


def timeline_of(order: dict[str, Any]) -> str:
    return " > ".join(row["status"] for row in order["timeline"])
