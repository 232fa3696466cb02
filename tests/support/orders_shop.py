"""A tenant who sells: products, orders that are never given up, and load on an open schedule."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.support.eventually import eventually
from tests.support.orders_stack import Json, OrdersStack
from tests.support.processes import TIMEOUT_S

PATIENCE_S = 120.0
PAUSE_S = 0.1
CONNECTIONS_MAX = 300
TERMINAL = frozenset({"completed", "rejected", "cancelled"})
CARD, DECLINED_CARD = "pm_card_visa", "pm_card_chargeDeclined"


def is_final(answer: httpx.Response | None) -> bool:
    """An answer that a repeat of the key would give again."""
    return answer is not None and answer.status_code not in (409, 429, 500, 502, 503, 504)


class Shop:
    """Requests go to each orders process in turn, and are repeated under their key until answered."""

    def __init__(self, stack: OrdersStack, tenant: str, key: str) -> None:
        self.stack, self.tenant = stack, tenant
        self.placed: list[Json] = []
        # Answers that were not the final one, by status; 0 is a connection that was lost.
        self.refused: Counter[int] = Counter()
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        )
        self._turn = 0

    @classmethod
    async def open(cls, stack: OrdersStack) -> "Shop":
        """With a tenant of its own."""
        return cls(stack, *await stack.tenant())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._client.aclose()

    # --- requests

    async def attempt(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """One request; none when the connection was lost."""
        self._turn += 1
        base = self.stack.orders[self._turn % len(self.stack.orders)].url
        try:
            answer = await self._client.request(method, base + path, **more)
        except httpx.TransportError:
            self.refused[0] += 1
            return None
        if not is_final(answer):
            self.refused[answer.status_code] += 1
        return answer

    async def ask(
        self, method: str, path: str, *, accept: Callable[[Any], object] = is_final, **more: Any
    ) -> httpx.Response:
        """The final answer, however often it takes to ask."""
        answer: httpx.Response | None = await eventually(
            lambda: self.attempt(method, path, **more),
            timeout_s=PATIENCE_S,
            interval_s=PAUSE_S,
            accept=accept,
        )
        assert answer is not None
        return answer

    async def product(self, *, stock: int = 1_000_000, unit_price: int = 700, sku: str | None = None) -> str:
        """The SKU of a product that is on the shelf."""
        sku = sku or f"sku-{uuid.uuid4().hex[:10]}"
        body = {"name": f"Product {sku}", "unit_price": unit_price, "currency": "eur", "stock": stock}
        answer = await self.ask("PUT", f"/v1/products/{sku}", json=body)
        assert answer.is_success, answer.text
        return sku

    async def place(
        self,
        *skus: str,
        card: str = CARD,
        key: str | None = None,
        traceparent: str | None = None,
        **more: Any,
    ) -> Json:
        """An order of one of each SKU, accepted."""
        body = {
            "customer_id": f"cus_{uuid.uuid4().hex[:8]}",
            "currency": "eur",
            "payment_method": card,
            "lines": [{"sku": sku, "quantity": 1} for sku in skus],
            **more,
        }
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        if traceparent:
            headers["traceparent"] = traceparent
        answer = await self.ask("POST", "/v1/orders", json=body, headers=headers)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        order: Json = answer.json()
        self.placed.append(order)
        return order

    async def order(self, order_id: str) -> Json:
        answer = await self.ask("GET", f"/v1/orders/{order_id}")
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def cancel(self, order_id: str) -> int:
        """The status of the answer: 202 and 200 promise an end as cancelled, 409 says that it has ended."""
        answer = await self.ask(
            "POST", f"/v1/orders/{order_id}/cancel", accept=lambda a: a is not None and a.status_code < 429
        )
        return answer.status_code

    async def listing(self, **query: Any) -> list[Json]:
        """Every order that the filters take, newest first."""
        items: list[Json] = []
        while True:
            answer = await self.ask("GET", "/v1/orders", params={"limit": 100, **query})
            assert answer.is_success, answer.text
            page = answer.json()
            items += page["items"]
            if not page["next_cursor"]:
                return items
            query["cursor"] = page["next_cursor"]

    # --- ends

    async def ended(self, order_id: str, *, within_s: float = 60.0) -> Json:
        """The order once it is terminal."""
        return await eventually(
            lambda: self.order(order_id),
            timeout_s=within_s,
            interval_s=PAUSE_S,
            accept=lambda order: order["status"] in TERMINAL,
        )

    async def all_ended(self, *, within_s: float = 90.0) -> dict[str, Json]:
        """Every order that was placed, by id, once none is pending."""
        await eventually(
            lambda: self.listing(status="pending"),
            timeout_s=within_s,
            interval_s=0.3,
            accept=lambda pending: not pending,
        )
        orders = {order["id"]: order for order in await self.listing()}
        assert set(orders) == {order["id"] for order in self.placed}, "an accepted order is there, and once"
        return orders

    async def stock(self, sku: str) -> Json:
        """`available`, `reserved`, `sold` of this moment."""
        answer = await self.ask("GET", f"/v1/products/{sku}")
        assert answer.is_success, answer.text
        return dict(answer.json())


@dataclass
class Basket:
    """What a load buys: mostly one product, and now and then what must be refused."""

    skus: Sequence[str]
    sold_out: str | None = None
    declined: float = 0.0
    out_of_stock: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311

    def pick(self) -> tuple[list[str], str]:
        """SKUs and a card."""
        draw = self.dice.random()
        if draw < self.declined:
            return [self.dice.choice(self.skus)], DECLINED_CARD
        if self.sold_out is not None and draw < self.declined + self.out_of_stock:
            return [self.dice.choice(self.skus), self.sold_out], CARD
        return self.dice.sample(self.skus, k=min(2, len(self.skus))), CARD


@dataclass
class Load:
    """Orders that arrive at a fixed rate, whatever becomes of those before them."""

    shop: Shop
    basket: Basket
    rate_per_s: float
    sent: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                due = started + self.sent / self.rate_per_s
                await asyncio.sleep(max(0.0, due - loop.time()))
                skus, card = self.basket.pick()
                group.create_task(self.shop.place(*skus, card=card))
                self.sent += 1

    async def more(self, count: int, *, within_s: float = 60.0) -> None:
        """Inside a load: until that many more were accepted."""
        wanted = len(self.shop.placed) + count
        await eventually(lambda: len(self.shop.placed) >= wanted, timeout_s=within_s)

    def stop(self) -> None:
        self._stop.set()


@asynccontextmanager
async def buying(shop: Shop, basket: Basket, *, rate_per_s: float = 20.0) -> AsyncIterator[Load]:
    """Orders arrive inside; on the way out each that was sent is accepted."""
    load = Load(shop, basket, rate_per_s)
    running = asyncio.create_task(load.run())
    try:
        yield load
    finally:
        load.stop()
        await running


def ends_of(orders: dict[str, Json]) -> Counter[str]:
    """How many ended how: `completed`, `rejected: out_of_stock` ..."""
    return Counter(
        order["status"] if order["reason"] is None else f"{order['status']}: {order['reason']}"
        for order in orders.values()
    )
