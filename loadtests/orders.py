"""Orders under load: placed, sent again, refused, cancelled, read; a sample is followed to its end."""

import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

import gevent

from loadtests.harness import OpenUser
from loadtests.http import Answer, Http, Unexpected
from loadtests.target import Target

PRODUCTS = 50
STOCK = 1_000_000
REMEMBERED_MAX = 500
CARD = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
POLL_S = 0.05
FINISHED_S_MAX = 12.0


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was accepted, with what it takes to send it again."""

    key: str
    document: Mapping[str, Any]
    order_id: str


class OrdersUser(OpenUser):
    """Every order carries a key. `complete` measures from the intended start to the order's one end."""

    service = "orders"
    rate_per_s = 30.0
    url_variable = "ORDERS_URL"
    mix: ClassVar[Mapping[str, float]] = {
        "place": 30,
        "complete": 15,
        "decline": 3,
        "repeat": 7,
        "cancel": 5,
        "retrieve": 25,
        "list_orders": 10,
        "product": 5,
    }
    authorization: ClassVar[Mapping[str, str]] = {}
    placed: ClassVar[deque[Placed]] = deque(maxlen=REMEMBERED_MAX)

    @classmethod
    def prepare(cls, target: Target, environ: Mapping[str, str]) -> None:
        cls.authorization = {"Authorization": f"Bearer {environ['ORDERS_API_KEY']}"}
        http = Http(target, cls.authorization)
        try:
            for number in range(PRODUCTS):
                product = {"name": f"Load {number}", "unit_price": 500 + number, "currency": "usd"}
                path = f"/v1/products/{_sku(number)}"
                http.send("PUT", path, document={**product, "stock": STOCK}).expect(200, 201)
            for _ in range(PRODUCTS):
                cls.placed.append(_place(http, _order([_sku(0)], CARD)))
        finally:
            http.close()

    def place(self) -> None:
        self.placed.append(self._place(CARD))

    def complete(self) -> None:
        """To the end of the saga: stock, money, and the order's last row."""
        self._await_end(self._place(CARD).order_id, "completed")

    def decline(self) -> None:
        """The money is refused, and the stock comes back before the order ends."""
        self._await_end(self._place(DECLINED).order_id, "rejected")

    def repeat(self) -> None:
        """What a client does whose answer was lost: the same key and body, the same order wanted."""
        first = self.random.choice(self.placed)
        again = _place(self.http, first.document, self.authorization, key=first.key)
        if again.order_id != first.order_id:
            raise Unexpected("ordered twice")

    def cancel(self) -> None:
        """In flight it is accepted, and then it wins; a finished order stays what it is."""
        order_id = self._place(CARD).order_id
        answer = self._send("POST", f"/v1/orders/{order_id}/cancel").expect(200, 202, 409)
        if answer.status != 409:  # noqa: PLR2004
            self._await_end(order_id, "cancelled")

    def retrieve(self) -> None:
        self._send("GET", f"/v1/orders/{self.random.choice(self.placed).order_id}").expect(200)

    def list_orders(self) -> None:
        status = self.random.choice(("", "&status=completed", f"&customer_id={self._customer()}"))
        self._send("GET", f"/v1/orders?limit=20{status}").expect(200)

    def product(self) -> None:
        self._send("GET", f"/v1/products/{_sku(self.random.randrange(PRODUCTS))}").expect(200)

    def _place(self, card: str) -> Placed:
        skus = [_sku(n) for n in self.random.sample(range(PRODUCTS), self.random.randint(1, 3))]
        return _place(self.http, _order(skus, card, self._customer()), self.authorization)

    def _customer(self) -> str:
        return f"load-{self.random.randrange(1_000)}"

    def _await_end(self, order_id: str, wanted: str) -> None:
        deadline = perf_counter() + FINISHED_S_MAX
        while perf_counter() < deadline:
            order = self._send("GET", f"/v1/orders/{order_id}").expect(200).json()
            if order["status"] != "pending":
                if order["status"] != wanted:
                    raise Unexpected(f"ended {order['status']}: {order['reason']}")
                return
            gevent.sleep(POLL_S)
        raise Unexpected("no end in time")

    def _send(self, method: str, path: str) -> Answer:
        return self.http.send(method, path, headers=self.authorization)


def _sku(number: int) -> str:
    return f"load-{number:03d}"


def _order(skus: list[str], card: str, customer: str = "load-0") -> dict[str, Any]:
    return {
        "customer_id": customer,
        "currency": "usd",
        "payment_method": card,
        "lines": [{"sku": sku, "quantity": 1} for sku in skus],
    }


def _place(
    http: Http,
    document: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Placed:
    key = key or str(uuid.uuid4())
    sent = {**(headers or {}), "Idempotency-Key": key}
    order = http.send("POST", "/v1/orders", document=document, headers=sent).expect(202).json()
    return Placed(key, document, order["id"])
