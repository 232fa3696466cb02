"""What must hold after every disturbance, looked at from outside: orders, money, stock, events, notices."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from tests.support import kafka_topics
from tests.support.eventually import eventually
from tests.support.orders_shop import TERMINAL
from tests.support.orders_stack import Json, OrdersStack

CHANGES = "orders.order-changed.v1"
SETTLE_S = 90.0


@dataclass
class Proof:
    """`orders` by id, each ended; the checks read the bank's book, the tables and the topics themselves."""

    stack: OrdersStack
    orders: dict[str, Json]

    async def check(self) -> None:
        self._each_ended_once()
        await self._the_bank_took_what_was_sold()
        await self._the_shelf_agrees()
        for check in (self._events_are_in_order, self._each_was_told_once, self._reconciled):
            await eventually(check, timeout_s=SETTLE_S, interval_s=0.5, accept=lambda _nothing: True)

    def _each_ended_once(self) -> None:
        for order in self.orders.values():
            statuses = [row["status"] for row in order["timeline"]]
            assert [status for status in statuses if status in TERMINAL] == [order["status"]], order
            assert statuses[-1] == order["status"], order

    async def _the_bank_took_what_was_sold(self) -> None:
        """By the bank's own book: a completed order was paid once and whole, any other cost nothing."""
        intents = await self.stack.fetch(
            "payments",
            "SELECT id, metadata->>'order_id' AS order_id FROM payment_intents",
        )
        order_of = {row["id"]: row["order_id"] for row in intents}
        kept: dict[str, list[int]] = defaultdict(list)
        for charge in await self.stack.payments.book():
            order_id = order_of.get(charge["reference"])
            if order_id in self.orders:
                assert charge["status"] != "authorised", f"money of {order_id} is held for ever"
                if charge["captured"] > charge["refunded"]:
                    kept[order_id].append(charge["captured"] - charge["refunded"])
        due = {o["id"]: [o["amount"]] for o in self.orders.values() if o["status"] == "completed"}
        assert kept == due, {
            "wrong": {
                i: (kept.get(i), due.get(i)) for i in kept.keys() | due.keys() if kept.get(i) != due.get(i)
            }
        }

    async def _the_shelf_agrees(self) -> None:
        sold: Counter[str] = Counter()
        for order in self.orders.values():
            if order["status"] == "completed":
                sold.update({line["sku"]: line["quantity"] for line in order["lines"]})
        skus = {line["sku"] for order in self.orders.values() for line in order["lines"]}
        rows = await self.stack.fetch(
            "inventory", "SELECT sku, sold, reserved FROM stock WHERE sku = ANY($1::text[])", sorted(skus)
        )
        assert {r["sku"]: (r["sold"], r["reserved"]) for r in rows} == {s: (sold[s], 0) for s in skus}

    async def _events_are_in_order(self) -> None:
        """One event a row of the timeline, numbered 1, 2, 3 ... in the log; a repeat is the same again."""
        seen: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for record in await kafka_topics.read(self.stack.kafka, [CHANGES]):
            order_id, event = (record.key or b"").decode(), (record.sequence, record.header("ce_id") or "")
            if order_id in self.orders and event not in seen[order_id]:
                seen[order_id].append(event)
        for order_id, order in self.orders.items():
            told = [row["event_id"] for row in order["timeline"]]
            assert seen[order_id] == list(enumerate(told, start=1)), order_id

    async def _each_was_told_once(self) -> None:
        """One mail an order, whatever was tried again."""
        rows = await self.stack.fetch(
            "notifications",
            "SELECT order_id, state FROM deliveries WHERE channel = 'mail' AND order_id = ANY($1::text[])",
            list(self.orders),
        )
        told = Counter(row["order_id"] for row in rows)
        assert {row["state"] for row in rows} <= {"sent"}, Counter(row["state"] for row in rows)
        assert told == Counter(self.orders.keys())

    async def _reconciled(self) -> None:
        answer = await self.stack.reconcile()
        assert answer["ok"], [check for check in answer["checks"] if not check["ok"]]
