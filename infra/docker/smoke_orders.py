"""The part of the smoke test in which orders are placed: through restarts, to their end and to the mail."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from infra.docker.smoke_tools import eventually, expect, get, runtime

ORDERS = 10
UNITS = 100_000
CUSTOMERS = 3
TIMEOUT_S = 35.0
ENDED = {"completed", "rejected", "cancelled"}


class Shop:
    def __init__(self, environment: Mapping[str, str]) -> None:
        # Filled by the step that starts the stack.
        self.environment = environment

    # --- steps

    def orders(self) -> str:
        product = {"name": "Smoke", "unit_price": 1200, "currency": "usd", "stock": UNITS}
        self._ask("PUT", "/v1/products/smoke", product)
        first = [self._place(f"smoke-{n}")["id"] for n in range(ORDERS)]
        again = [self._place(f"smoke-{n}")["id"] for n in range(ORDERS)]
        expect(first == again, "a key that was sent again is another order")
        ends = self._ends(first)
        expect(ends == {"completed": ORDERS}, f"not all completed: {dict(ends)}")
        return f"{ORDERS} orders, each sent twice: {dict(ends)}"

    def worker_restart(self) -> str:
        with _Customers(self) as customers:
            runtime("restart", "SERVICE=orders-worker")
            runtime("restart", "SERVICE=inventory-worker")
        return f"both workers restarted: {self._all_complete(customers)}"

    def kafka_restart(self) -> str:
        """Orders are taken all the while; what they set off waits in the outbox."""
        with _Customers(self) as customers:
            runtime("restart", "SERVICE=kafka")
        return f"Kafka away and back: {self._all_complete(customers)}"

    def mails(self) -> str:
        customer = f"smoke-{uuid.uuid4().hex[:8]}"
        order_id = self._place(customer, customer=customer)["id"]
        url = f"{self.environment['MAILCATCHER_URL']}/messages"
        query = urlencode({"to": f"{customer}@customers.example.com"})

        def told() -> str:
            mails = get(f"{url}?{query}")["items"]
            expect(len(mails) == 1, f"{len(mails)} mails for {order_id}")
            link = self.environment["SHORTENER_URL"]
            expect(link in mails[0]["text"], f"no tracking link in {mails[0]['text']!r}")
            return f"one mail with a tracking link: {mails[0]['subject']}"

        return eventually(told)

    def reconcile(self) -> str:
        def clean() -> int:
            found = self._ask("GET", "/v1/admin/reconcile", key="ADMIN_API_KEY")
            broken = [check for check in found["checks"] if not check["ok"]]
            expect(found["ok"], f"the books differ: {broken}")
            return len(found["checks"])

        return f"{eventually(clean)} checks: orders, charges, stock and reservations agree"

    # --- helpers

    def place_one(self) -> str:
        """The order's id, or what was answered instead."""
        try:
            return str(self._place(str(uuid.uuid4()))["id"])
        except HTTPError as error:
            return f"status {error.code}"
        except (OSError, ValueError) as error:
            return type(error).__name__

    def _place(self, key: str, *, customer: str = "smoke") -> dict[str, Any]:
        order = {"customer_id": customer, "currency": "usd", "payment_method": "pm_card_visa"}
        lines = [{"sku": "smoke", "quantity": 1}]
        return self._ask("POST", "/v1/orders", {**order, "lines": lines}, {"Idempotency-Key": key})

    def _all_complete(self, customers: "_Customers") -> str:
        refused = [one for one in customers.answers if not one.startswith("ord_")]
        expect(not refused, f"orders were not taken: {Counter(refused)}")
        ends = self._ends(customers.answers)
        expect(set(ends) == {"completed"}, f"not all completed: {dict(ends)}")
        return f"{ends.total()} orders taken, all completed"

    def _ends(self, order_ids: list[str]) -> Counter[str]:
        def ended() -> Counter[str]:
            found = Counter(self._ask("GET", f"/v1/orders/{one}")["status"] for one in order_ids)
            expect(set(found) <= ENDED, f"on the way still: {found['pending']}")
            return found

        return eventually(ended)

    def _ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        key: str = "ORDERS_API_KEY",
    ) -> dict[str, Any]:
        sent = {"Authorization": f"Bearer {self.environment[key]}", "Content-Type": "application/json"}
        body = None if document is None else json.dumps(document).encode()
        url = f"{self.environment['ORDERS_URL']}{path}"
        request = Request(url, body, {**sent, **(headers or {})}, method=method)  # noqa: S310 ours
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found


class _Customers:
    """A few that order at a brisk pace between `with` and its end."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._buy, daemon=True) for _ in range(CUSTOMERS)]
        self.answers: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def _buy(self) -> None:
        while not self._done.is_set():
            self.answers.append(self._shop.place_one())
            time.sleep(0.1)
